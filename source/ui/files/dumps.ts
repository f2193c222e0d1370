/** Groups names into dumps: a dump includes its checksum files, its createdb.sql and the members of its directory. */
import type {ListedFile} from '../../core/handle.js';
import {createColumn} from '../../lib/columns.js';
import {createIdentities, isOwn} from './identities.js';
import {createRowLists} from './row-lists.js';
import {createWords} from './words.js';

/** `own`: manifests and other files of the run. `sums`: checksum files of a dump that does not exist. */
export type DumpKind = 'dump' | 'own' | 'foreign' | 'sums';

export type DumpTable = {
	readonly count: () => number;
	/** Returns the dump that the row belongs to; `row` counts up from 0, and its key must be stored already. */
	readonly add: (file: ListedFile, row: number) => number;
	/** Returns the dump of a path in a manifest. */
	readonly find: (file: Pick<ListedFile, 'key' | 'name'>) => number | undefined;
	readonly of: (row: number) => number;
	/** Returns the row that represents the dump: its main file, else one of the others. */
	readonly lead: (dump: number) => number;
	/** Returns all its rows in the order of the listing. */
	readonly rows: (dump: number) => readonly number[];
	readonly kind: (dump: number) => DumpKind;
	/** Returns the decoded name of the database or of another output; empty for foreign names. */
	readonly subject: (dump: number) => string;
	/** Returns a suffix such as `dump` or `sql.gz`; empty for foreign names. */
	readonly suffix: (dump: number) => string;
	/** Returns the time in the name, else of the last change, in milliseconds since the epoch; 0 if unknown. */
	readonly time: (dump: number) => number;
	/** Returns the time as written in its name; empty for foreign names. */
	readonly timeText: (dump: number) => string;
	/** Returns its size in bytes, without checksum files. */
	readonly bytes: (dump: number) => number;
	/** Returns the number of its files, without checksum files. */
	readonly files: (dump: number) => number;
	readonly isEncrypted: (dump: number) => boolean;
	readonly hasChecksums: (dump: number) => boolean;
};

const kinds: readonly DumpKind[] = ['sums', 'dump', 'own', 'foreign'];
const encryptedFlag = 1;
const checksumsFlag = 2;
/** The file of the highest rank represents the dump. */
const rankOf = {checksum: 1, createdb: 2, dump: 3} as const;

export function createDumpTable(keyOf: (row: number) => string): DumpTable {
	const lists = createRowLists();
	const lead = createColumn('integer');
	const rank = createColumn('byte');
	const times = createColumn('float');
	const bytes = createColumn('float');
	const files = createColumn('integer');
	const flags = createColumn('byte');
	const kind = createColumn('byte');
	const subject = createColumn('integer');
	const suffix = createColumn('integer');
	const words = createWords();
	const identities = createIdentities(dump => keyOf(lists.first(dump)));

	/** Returns the dump of the file, which may be a new one. */
	function dumpOf(file: ListedFile, row: number): number {
		const dump = identities.put(file, lists.count());
		if (dump < lists.count()) {
			lists.append(dump, row);
			return dump;
		}
		const {name, modified} = file;
		lists.start(row);
		lead.set(dump, row);
		times.set(dump, name?.time ?? modified ?? 0);
		subject.set(dump, words.add(name?.subject ?? ''));
		kind.set(dump, kinds.indexOf(name === undefined ? 'foreign' : isOwn(name.suffix) ? 'own' : 'sums'));
		return dump;
	}

	return {
		count: lists.count,
		add(file, row) {
			const {name, size} = file;
			const dump = dumpOf(file, row);
			const isChecksum = name?.checksum !== undefined;
			const ownRank = isChecksum ? rankOf.checksum : name?.suffix === 'createdb.sql' ? rankOf.createdb : rankOf.dump;
			if (ownRank > rank.get(dump)) {
				rank.set(dump, ownRank);
				lead.set(dump, row);
				suffix.set(dump, words.add(name?.suffix ?? ''));
			}
			if (isChecksum) {
				flags.set(dump, flags.get(dump) | checksumsFlag);
				return dump;
			}
			if (kinds[kind.get(dump)] === 'sums') kind.set(dump, kinds.indexOf('dump'));
			bytes.set(dump, bytes.get(dump) + size);
			files.set(dump, files.get(dump) + 1);
			if (name?.encrypted) flags.set(dump, flags.get(dump) | encryptedFlag);
			return dump;
		},
		find: identities.find,
		of: lists.of,
		lead: dump => lead.get(dump),
		rows: lists.rows,
		kind: dump => kinds[kind.get(dump)] ?? 'foreign',
		subject: dump => words.at(subject.get(dump)),
		suffix: dump => words.at(suffix.get(dump)),
		time: dump => times.get(dump),
		timeText: identities.timeText,
		bytes: dump => bytes.get(dump),
		files: dump => files.get(dump),
		isEncrypted: dump => (flags.get(dump) & encryptedFlag) !== 0,
		hasChecksums: dump => (flags.get(dump) & checksumsFlag) !== 0,
	};
}
