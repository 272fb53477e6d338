// A connection is used by one tenant after the other. What one of them says can stay on it and be used by the next: a
// statement prepared under the name of one of the application's own runs with the next tenant's token. Only
// statements of a few kinds leave nothing of that sort; a connection on which another was sent is closed instead of given
// back.

const guarded = new WeakSet()
const left = new WeakMap() // of each client that is looked at: whether something may have been left on it

const kinds = new Set(['select', 'with', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'copy', 'lock', 'notify',
  'begin', 'start', 'commit', 'end', 'abort', 'savepoint', 'release', 'rollback', 'declare', 'fetch', 'move', 'close', 'show'])

/**
 * Lets a pool close each connection on which something may have been left, by whomever. transaction and query do so by
 * themselves; it is for who uses a pool in another way. Returns the pool.
 */
export function guard(pool) {
  if (guarded.has(pool)) {
    return pool
  }
  const connect = pool.connect
  pool.connect = function (callback) {
    return callback === undefined
      ? connect.call(this).then(watch)
      : connect.call(this, (error, client) => (error ? callback(error) : callback(undefined, watch(client), client.release)))
  }
  guarded.add(pool)
  return pool
}

function watch(client) {
  if (!left.has(client)) {
    const { query } = client
    client.query = function (config, values, ...rest) {
      if (!harmless(config, values)) {
        left.set(client, true)
      }
      return query.call(this, config, values, ...rest)
    }
    left.set(client, false)
  }
  const { release } = client
  client.release = (broken) => release(broken || left.get(client))
  return client
}

function harmless(config, values) {
  const text = typeof config === 'string' ? config : (config?.text ?? config?.cursor?.text)
  if (typeof text !== 'string') {
    return false
  }
  // Without values, pg sends a text that may hold several statements.
  const alone = typeof config !== 'string' && (config.name || config.queryMode === 'extended')
  const given = Array.isArray(values) ? values : config.values
  const end = text.indexOf(';')
  return plain(text) && (alone || given?.length > 0 || end < 0 || !/[^;\s]/.test(text.slice(end)))
}

/** Whether a statement is of a kind that prepares nothing, defines nothing and runs no other text as a statement. */
export function plain(text) {
  const sql = uncommented(text)
  const word = /^[a-z]*/i.exec(sql)[0].toLowerCase()
  return kinds.has(word) ? !lasts(word, sql) : /^set\s+(local|transaction|constraints)(?![^\s])/i.test(sql)
}

/**
 * Whether a statement of a kind that leaves nothing may leave something all the same: a table of SELECT INTO, which may be a
 * temporary one, or a setting, by itself or in a text that a function takes for a statement.
 */
function lasts(word, sql) {
  if (/set_config|pg_settings|_to_xml|ts_stat|ts_rewrite|u&"/i.test(sql)) return true
  if (!['select', 'with', 'values', 'table'].includes(word)) return false
  return [...sql.matchAll(/(?<![\w$\u0080-\uffff])into(?![\w$\u0080-\uffff])/gi)].some(({ index }) =>
    word !== 'with' || !/(insert|merge)\s+$/i.test(sql.slice(0, index)) || /temp/i.test(sql.slice(index)))
}

/** Takes off what may stand before a statement: blanks, parentheses, comments, which nest in PostgreSQL. */
function uncommented(text) {
  let at = 0
  for (;;) {
    while (' \t\r\n\f\v('.includes(text[at] ?? 'x')) at++
    if (text.startsWith('--', at)) {
      while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++
    } else if (text.startsWith('/*', at)) {
      let depth = 1
      for (at += 2; depth > 0; at++) {
        if (at >= text.length) return ''
        if (text.startsWith('/*', at)) {
          depth++
          at++
        } else if (text.startsWith('*/', at)) {
          depth--
          at++
        }
      }
    } else {
      return text.slice(at)
    }
  }
}
