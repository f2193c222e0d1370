/**
 * What a dump needs of a server since which version, as far as its statements show: found before anything is created.
 * Statements are those that pg_dump writes. Pure.
 */
import {statementsOfEntry, type Token} from './sql-statements.js';

type Feature = {
	/** The first major version with it. */
	readonly since: number;
	/** For people. */
	readonly what: string;
	/** A part of every text with it: others need not be parsed. */
	readonly hint: RegExp;
	/** Matches a statement as `shapeOf` returns it. */
	readonly shape: RegExp | ((shape: string) => boolean);
};

const features: readonly Feature[] = [
	{since: 14, what: 'column compression', hint: /compression/i, shape: /^ALTER TABLE .* SET COMPRESSION \S+$/},
	{
		since: 14,
		what: 'function bodies in standard SQL',
		hint: /\b(?:begin atomic|return)\b/i,
		shape: /^CREATE (?:FUNCTION|PROCEDURE) .* LANGUAGE \S+ .*?(?:BEGIN ATOMIC|\bRETURN )/,
	},
	{since: 14, what: 'OUT arguments of procedures', hint: /\bout\b/i, shape: /^CREATE PROCEDURE [^(]+\( (?:.* , )?OUT /},
	{
		since: 14,
		what: 'multirange types',
		hint: /multirange/i,
		shape: /^CREATE .*\b(?:MULTIRANGE_TYPE_NAME =|(?:INT4|INT8|NUM|TS|TSTZ|DATE)MULTIRANGE\b)/,
	},
	{
		since: 14,
		what: 'statistics on expressions',
		hint: /statistics/i,
		shape: /^CREATE STATISTICS .* ON (?:.* , )?\( .* FROM /,
	},
	{since: 15, what: 'NULLS NOT DISTINCT', hint: /nulls not distinct/i, shape: / NULLS NOT DISTINCT /},
	{
		since: 15,
		what: 'security_invoker',
		hint: /security_invoker/i,
		shape: /^CREATE VIEW .* WITH \( (?:.* , )?SECURITY_INVOKER =/,
	},
	{since: 15, what: 'columns of ON DELETE SET', hint: /on delete set/i, shape: / ON DELETE SET (?:NULL|DEFAULT) \(/},
	{
		since: 15,
		what: 'columns or rows of publications',
		hint: /publication/i,
		shape: /^ALTER PUBLICATION \S+ ADD TABLE ONLY \S+ \. \S+ (?:\(|WHERE )/,
	},
	{
		since: 15,
		what: 'schemas in publications',
		hint: /tables in schema/i,
		shape: /^ALTER PUBLICATION \S+ ADD TABLES IN SCHEMA /,
	},
	{since: 15, what: 'unlogged sequences', hint: /unlogged/i, shape: /^CREATE UNLOGGED SEQUENCE /},
	{since: 16, what: 'rules of collations', hint: /rules/i, shape: /^CREATE COLLATION .*[(,] RULES =/},
	{
		since: 17,
		what: 'the collation provider builtin',
		hint: /builtin/i,
		shape: /^CREATE COLLATION .* PROVIDER = BUILTIN /,
	},
	{
		since: 17,
		what: 'the privilege MAINTAIN',
		hint: /maintain/i,
		shape: /^(?:ALTER DEFAULT PRIVILEGES .*)?(?:GRANT|REVOKE) (?:.* , )?MAINTAIN .*\bON /,
	},
	{since: 17, what: 'event triggers on login', hint: /\blogin\b/i, shape: /^CREATE EVENT TRIGGER \S+ ON LOGIN /},
	{since: 18, what: 'virtual generated columns', hint: /generated always as/i, shape: hasVirtualColumn},
	{since: 18, what: 'NOT ENFORCED', hint: /not enforced/i, shape: /^ALTER TABLE .* \) NOT ENFORCED$/},
	{
		since: 18,
		what: 'NOT NULL constraints of tables',
		hint: /not null/i,
		shape:
			/^ALTER TABLE .* ADD CONSTRAINT \S+ NOT NULL |^CREATE .*TABLE .*(?:[(,] CONSTRAINT \S+ NOT NULL \S| NOT NULL NO INHERIT)/,
	},
	{since: 18, what: 'WITHOUT OVERLAPS', hint: /without overlaps/i, shape: /^ALTER TABLE .* WITHOUT OVERLAPS \)/},
	{
		since: 18,
		what: 'foreign keys with PERIOD',
		hint: /\bperiod\b/i,
		shape: /^ALTER TABLE .* FOREIGN KEY \( .* , PERIOD /,
	},
	{
		since: 18,
		what: 'generated columns in publications',
		hint: /publish_generated_columns/i,
		shape: /^CREATE PUBLICATION .*PUBLISH_GENERATED_COLUMNS =/,
	},
	{
		since: 18,
		what: 'default privileges of large objects',
		hint: /large objects/i,
		shape: /^ALTER DEFAULT PRIVILEGES .* ON LARGE OBJECTS /,
	},
	{
		since: 18,
		what: 'vacuum_max_eager_freeze_failure_rate',
		hint: /vacuum_max_eager_freeze_failure_rate/i,
		shape: / WITH \( (?:.* , )?VACUUM_MAX_EAGER_FREEZE_FAILURE_RATE =/,
	},
];

export type NewerFeature = Pick<Feature, 'since' | 'what'>;

/**
 * Returns what a server of the version `target` lacks. `dumped`: the version of the dumped server, which cannot have had
 * newer features; undefined if unknown.
 */
export function newerFeatures(text: string, target: number, dumped: number | undefined): readonly NewerFeature[] {
	const [oldest, newest] = [major(target), dumped === undefined ? Infinity : major(dumped)];
	const possible = features.filter(({since, hint}) => since > oldest && since <= newest && hint.test(text));
	if (possible.length === 0) return [];
	const shapes = shapesOf(text);
	return possible.filter(({shape}) => shapes.some(one => (typeof shape === 'function' ? shape(one) : shape.test(one))));
}

function major(version: number): number {
	return Math.floor(version / 10_000);
}

/** Returns each statement with single spaces, words in upper case, and placeholders for quoted names and strings. */
function shapesOf(text: string): readonly string[] {
	return statementsOfEntry(text).map(({tokens}) => tokens.map(shapeOf).join(' '));
}

function shapeOf({kind, value}: Token): string {
	if (kind === 'string') return "''";
	return kind === 'name' ? '"n"' : value;
}

function hasVirtualColumn(shape: string): boolean {
	if (!/^CREATE .*TABLE /.test(shape)) return false;
	const words = shape.split(' ');
	return words.some((word, at) => {
		if (word !== 'GENERATED' || words.slice(at + 1, at + 4).join(' ') !== 'ALWAYS AS (') return false;
		let depth = 1;
		let end = at + 4;
		for (; depth > 0 && end < words.length; end++) depth += words[end] === '(' ? 1 : words[end] === ')' ? -1 : 0;
		return words[end] !== 'STORED';
	});
}
