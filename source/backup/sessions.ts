import type {Connection} from '../postgres/connection.js';
import {openSession, type Session} from '../postgres/session.js';
import {findPsql} from '../postgres/tools.js';
import type {ServerContext} from '../runs/context.js';
import {findOptions} from '../runs/prepare-backup.js';

/** Opens the sessions of a run for queries, such as its control connection, and closes them at its end. */
export class Sessions {
	readonly #run: ServerContext;
	readonly #connection: Connection;
	readonly #open: Session[] = [];

	constructor(run: ServerContext, connection: Connection) {
		this.#run = run;
		this.#connection = connection;
	}

	/** Opens a session to the configured database, or to another. `close` closes it. Throws CONNECTION and TOOLS. */
	async open(database?: string): Promise<Session> {
		// Cancellation stops the attempt, but not the session: a canceled run may still have to resume a standby.
		const {signal: cancelled} = this.#run;
		const opening = new AbortController();
		const {signal} = opening;
		const stop = () => opening.abort(cancelled.reason);
		cancelled.addEventListener('abort', stop, {once: true});
		try {
			const psql = await findPsql({...findOptions(this.#run), signal});
			const more = database === undefined ? {} : {database};
			const session = await openSession({psql: psql.path, connection: this.#connection, signal, ...more});
			this.#open.push(session);
			return session;
		} finally {
			cancelled.removeEventListener('abort', stop);
		}
	}

	async close(): Promise<void> {
		for (const session of this.#open) await session.close();
	}
}
