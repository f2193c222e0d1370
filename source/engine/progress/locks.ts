/** Puts names to the tables of locks: known ones at once, others by one short connection to their database. */
import type {LockInfo} from '../../core/events.js';
import {relationName} from '../../postgres/progress-inventory.js';
import type {Session} from '../../postgres/session.js';
import type {Contention} from './lock-guard.js';

/** Seconds of waiting that are worth a connection. */
const worthAsking = 5;

export class LockNames {
	readonly #connect: (database: string) => Promise<Session>;
	readonly #names = new Map<string, string>();
	readonly #asked = new Map<string, Promise<void>>();

	constructor(connect: (database: string) => Promise<Session>) {
		this.#connect = connect;
	}

	/** With what is known now. */
	describe(one: Contention, known: (oid: number) => string | undefined): LockInfo {
		const {relation, database, ...rest} = one;
		const name = known(relation) ?? this.#names.get(keyOf(one));
		if (name === undefined && one.waiting >= worthAsking) void this.resolve(one);
		return {table: name ?? `relation ${relation} of ${database}`, ...rest};
	}

	/** Never rejects: a name that cannot be had stays a number. */
	resolve(one: Contention): Promise<void> {
		const key = keyOf(one);
		const asked = this.#asked.get(key) ?? this.#ask(one, key).catch(() => undefined);
		this.#asked.set(key, asked);
		return asked;
	}

	/** When no connection of ours is open any more. */
	async idle(): Promise<void> {
		await Promise.all(this.#asked.values());
	}

	async #ask({database, relation}: Contention, key: string): Promise<void> {
		const session = await this.#connect(database);
		try {
			const name = await relationName(session, relation);
			if (name !== undefined) this.#names.set(key, name);
		} finally {
			await session.close();
		}
	}
}

function keyOf({database, relation}: Contention): string {
	return `${relation} ${database}`;
}
