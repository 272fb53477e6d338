// A connection is used by one tenant after the other. What one of them says can stay on it and be used by the next: a
// statement prepared under the name of one of the application's own runs with the next tenant's token. Only
// statements of a few kinds leave nothing of that sort; a connection on which another was sent is closed instead of given
// back.

const watched = new WeakMap()

const kinds = new Set(['select', 'with', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'copy', 'lock', 'notify',
  'savepoint', 'release', 'rollback', 'declare', 'fetch', 'move', 'close', 'show'])

/** Looks at what is said on a client from now on, by whomever. Returns how to say something that is not looked at. */
export function watch(client) {
  if (!watched.has(client)) {
    const query = client.query
    const state = { left: false, say: query.bind(client) }
    client.query = function (config, values, ...rest) {
      state.left ||= !harmless(config, values)
      return query.call(this, config, values, ...rest)
    }
    watched.set(client, state)
  }
  return watched.get(client).say
}

/** Whether something may have been left on a client. */
export function left(client) {
  return watched.get(client).left
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
  return kinds.has(word) || /^set\s+local(?![^\s])/i.test(sql)
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
