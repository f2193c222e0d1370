/** Databases of recorded runs: sizes, rates, names and faults that the console must cope with. */
const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

export type RecordedDatabase = {
	readonly name: string;
	/** Bytes. */
	readonly size: number;
	/** Bytes per second. */
	readonly rate: number;
	/** Ends after this fraction of its bytes, with this message. */
	readonly fails?: {
		readonly at: number;
		readonly message: string;
		readonly hint?: string;
		readonly output?: readonly string[];
	};
	/** Waits for a lock during this part of the run. */
	readonly lock?: {readonly from: number; readonly to: number};
	/** Its size is unknown. */
	readonly unknown?: boolean;
};

const denied = {
	at: 0.3,
	message: 'permission denied for table invoices',
	hint: 'grant SELECT on it to the user that dumps, or dump as a superuser',
	output: [
		'pg_dump: error: query failed: ERROR:  permission denied for table invoices',
		'pg_dump: detail: Query was: LOCK TABLE public.invoices IN ACCESS SHARE MODE',
	],
} as const;

export const threeDatabases: readonly RecordedDatabase[] = [
	{name: 'orders', size: 3.1 * GiB, rate: 148 * MiB},
	{name: 'customers', size: 1.4 * GiB, rate: 91 * MiB},
	{name: 'billing', size: 0.9 * GiB, rate: 60 * MiB, fails: denied},
];

export const twelveDatabases: readonly RecordedDatabase[] = [
	{name: 'app', size: 0.4 * GiB, rate: 140 * MiB},
	{name: 'billing', size: 2.2 * GiB, rate: 60 * MiB, fails: {...denied, at: 0.1}},
	{name: 'customers', size: 1.7 * GiB, rate: 91 * MiB},
	{name: 'orders', size: 6.1 * GiB, rate: 148 * MiB},
	{name: 'analytics_2024', size: 8.4 * GiB, rate: 73 * MiB},
	{name: 'app\u001B[31m\nred', size: 0.2 * GiB, rate: 60 * MiB},
	{name: '数据仓库', size: 0.6 * GiB, rate: 70 * MiB, lock: {from: 1, to: 30}},
	{name: 'a_very_long_database_name_that_goes_up_to_the_limit_of_63_bytes', size: 0.5 * GiB, rate: 60 * MiB},
	{name: 'café ☕ ordered', size: 0.3 * GiB, rate: 50 * MiB, unknown: true},
	{name: 'staging', size: 0.3 * GiB, rate: 50 * MiB},
	{name: 'wiki', size: 0.1 * GiB, rate: 30 * MiB},
	{name: 'postgres', size: 8 * MiB, rate: 8 * MiB},
];

/** `count` databases, every 40th of which fails. */
export function manyDatabases(count: number): readonly RecordedDatabase[] {
	return Array.from({length: count}, (_, index) => ({
		name: `tenant_${String(index).padStart(4, '0')}`,
		size: (1 + ((index * 7919) % 97)) * 12 * MiB,
		rate: (20 + ((index * 31) % 60)) * MiB,
		...(index % 40 === 17 ? {fails: {...denied, at: 0.2}} : {}),
	}));
}
