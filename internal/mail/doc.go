// Package mail writes to the people of the company: reminders, digests, a test message.
//
// # What it promises
//
//   - A message in the queue is a template's name, a person's id and further ids; what it says is
//     written when it is sent, in the person's language, of what is true then. What is no longer
//     true is not sent.
//   - A message is sent once per (template, person, due), whatever asks for it and on however many
//     servers: the database's unique key decides. A server that dies between the mail server's
//     yes and ours sends it again, with the same Message-ID, by which mail programs know it.
//   - A mail server is spoken to under TLS or not at all: from the first byte, or by STARTTLS, which
//     is demanded. Its certificate is checked for its name.
//   - What fails for now is tried again, later and later, for two days; what the server refuses for good,
//     or fails for so long, is on the desk until somebody looks after it.
//   - Subject, names and addresses with a line break, or anything else that could begin another
//     header, are refused and not cleaned: nobody writes such a name by mistake.
//   - Mail that is not configured is off, pages say so, and nothing is queued meanwhile.
//
// Messages are plain text. They carry links to the console, where people sign in: no link does
// anything by itself.
//
// # Digests
//
// A digest tells a person what waits for them, as their desk does: on the first day of the week, and
// every day on which something is overdue. People may do without digests, not without the reminders
// of what they answer for.
package mail
