/** Finds the names of locked tables: known ones immediately, others by one short connection to their database. */
import type {LockInfo} from '../core/events.js';
import {relationName} from '../postgres/progress-inventory.js';
import type {Session} from '../postgres/session.js';
import type {Contention} from './lock-guard.js';

/** Seconds of waiting after which a connection is made. */
const worthLookup = 5;

export class LockNames {
	readonly #connect: (database: string) => Promise<Session>;
	readonly #names = new Map<string, string>();
	readonly #lookups = new Map<string, Promise<void>>();

	constructor(connect: (database: string) => Promise<Session>) {
		this.#connect = connect;
	}

	/** Describes a wait with what is known now; starts to look up an unknown name after a few seconds of waiting. */
	describe(one: Contention, known: (oid: number) => string | undefined): LockInfo {
		const {relation, database, ...rest} = one;
		const name = known(relation) ?? this.#names.get(keyOf(one));
		if (name === undefined && one.waiting >= worthLookup) void this.resolve(one);
		return {table: name ?? `relation ${relation} of ${database}`, ...rest};
	}

	/** Never rejects: an unavailable name stays a number. */
	resolve(one: Contention): Promise<void> {
		const key = keyOf(one);
		const lookup = this.#lookups.get(key) ?? this.#ask(one, key).catch(() => undefined);
		this.#lookups.set(key, lookup);
		return lookup;
	}

	/** Resolves when none of these connections is open. */
	async idle(): Promise<void> {
		await Promise.all(this.#lookups.values());
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
