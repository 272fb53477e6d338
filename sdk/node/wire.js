import pg from 'pg'

const ENTER = 'SELECT garant.enter($1)'

/** Sends a statement by the extended protocol, without the Sync that would end its transaction. */
function send(connection, text, values = []) {
  connection.parse({ text })
  connection.bind({ values })
  connection.execute({})
}

/** BEGIN and enter in one round trip. A token is a parameter: it never stands in the text of a statement. */
class Begin {
  constructor(text, token, resolve, reject) {
    Object.assign(this, { text, resolve, reject })
    this.token = () => token
  }

  submit(connection) {
    connection.stream.cork()
    try {
      send(connection, this.text)
      send(connection, ENTER, [this.token()])
      connection.sync()
    } finally {
      connection.stream.uncork()
    }
    return null
  }

  handleRowDescription() {}
  handleDataRow() {}
  handleCommandComplete() {}
  handleEmptyQuery() {}
  handlePortalSuspended() {}
  handleCopyInResponse(connection) {
    connection.sendCopyFail('tenant: there is nothing to copy')
  }
  handleCopyData() {}
  handleError(error) {
    this.reject(error)
  }
  handleReadyForQuery() {
    this.resolve()
  }
}

/** enter and one statement in one round trip: one implicit transaction, which ends at its Sync. */
class Entered extends pg.Query {
  constructor(token, config, values, callback) {
    super(config, values, callback)
    this.token = () => token
    this.inside = false
    this.queryMode = 'extended'
    if (this.rows) {
      throw new TypeError('tenant: a statement that is fetched in parts needs a transaction')
    }
  }

  prepare(connection) {
    send(connection, ENTER, [this.token()])
    super.prepare(connection)
  }

  handleDataRow(message) {
    if (this.inside) {
      super.handleDataRow(message)
    }
  }

  handleCommandComplete(message, connection) {
    if (this.inside) {
      super.handleCommandComplete(message, connection)
    }
    this.inside = true
  }
}

function check(client) {
  if (typeof client.connection?.parse !== 'function') {
    throw new TypeError('tenant: this works with pg in JavaScript, not with pg-native')
  }
}

export function begin(client, sql, token) {
  check(client)
  return new Promise((resolve, reject) => client.query(new Begin(sql, token, resolve, reject)))
}

export function execute(client, token, config, values) {
  check(client)
  return new Promise((resolve, reject) => {
    client.query(new Entered(token, config, values, (error, result) => (error ? reject(error) : resolve(result))))
  })
}
