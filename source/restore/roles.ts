/**
 * Roles of the globals that the target lacks: the statements that create them, and differences of existing ones. Pure.
 */
import {PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {identifier, literal} from '../postgres/quote.js';
import {begins, isPlain, nameOf, namesFrom, splitStatements, type Statement} from '../postgres/sql-statements.js';
import type {TargetRole} from '../postgres/target-inventory.js';
import {readRoleMark} from './role-mark.js';

export type GlobalRole = {
	readonly name: string;
	readonly attributes: ReadonlyMap<string, boolean>;
	/** Such as `CONNECTION LIMIT 3`, `PASSWORD '…'`: secret. */
	readonly options: readonly string[];
	readonly comment: string | undefined;
	/** Statements without their terminator: `ALTER ROLE … SET`. */
	readonly settings: readonly string[];
	/** Roles that it is a member of, with options such as `WITH ADMIN OPTION`. */
	readonly memberships: readonly {readonly of: string; readonly options: string}[];
};

export type Globals = {
	readonly roles: ReadonlyMap<string, GlobalRole>;
	/** Statements of the globals that a restore never runs, by subject: tablespaces, parameters, roles in databases. */
	readonly left: readonly string[];
};

type Draft = {
	name: string;
	attributes: Map<string, boolean>;
	options: string[];
	comment: string | undefined;
	settings: string[];
	memberships: {of: string; options: string}[];
};

const attributeNames = ['SUPERUSER', 'INHERIT', 'CREATEROLE', 'CREATEDB', 'LOGIN', 'REPLICATION', 'BYPASSRLS'];

/** Parses the output of pg_dumpall -g. Throws CORRUPT for anything else. */
export function parseGlobals(text: string): Globals {
	const roles = new Map<string, Draft>();
	const left = new Set<string>();
	const draftOf = (name: string | undefined): Draft => {
		if (name === undefined) throw new PgBackError('CORRUPT', 'the globals contain a role name that cannot be parsed');
		const known = roles.get(name);
		if (known) return known;
		const draft: Draft = {
			name,
			attributes: new Map(),
			options: [],
			comment: undefined,
			settings: [],
			memberships: [],
		};
		roles.set(name, draft);
		return draft;
	};
	for (const statement of splitStatements(text, {standardStrings: true})) {
		const {tokens} = statement;
		if (begins(statement, 'CREATE', 'ROLE')) draftOf(nameOf(tokens[2]));
		else if (begins(statement, 'ALTER', 'ROLE') && tokens[3]?.value === 'SET' && isPlain(statement))
			draftOf(nameOf(tokens[2])).settings.push(statement.text);
		else if (begins(statement, 'ALTER', 'ROLE') && tokens[3]?.value === 'WITH')
			takeOptions(draftOf(nameOf(tokens[2])), statement);
		else if (begins(statement, 'COMMENT', 'ON', 'ROLE'))
			draftOf(nameOf(tokens[3])).comment = ownComment(tokens[5]?.value);
		else if (begins(statement, 'GRANT') && tokens[2]?.value === 'TO' && tokens[1]?.kind !== 'symbol')
			takeMembership(draftOf, statement);
		else if (!begins(statement, 'SET')) left.add(subjectOf(statement));
	}
	return {roles, left: [...left]};
}

/** The roles may have been dumped while a restore created them. */
function ownComment(text: string | undefined): string | undefined {
	const mark = readRoleMark(text ?? '');
	return mark ? mark.comment : text;
}

function takeOptions(draft: Draft, {tokens}: Statement): void {
	for (let at = 4; at < tokens.length; at++) {
		const word = tokens[at]?.value ?? '';
		const value = tokens[at + 1];
		const plain = word.replace(/^NO/, '');
		if (attributeNames.includes(plain)) draft.attributes.set(plain, plain === word);
		else if (word === 'CONNECTION') {
			draft.options.push(`CONNECTION LIMIT ${Number(tokens[at + 2]?.value)}`);
			at += 2;
		} else if (word === 'PASSWORD' && value?.kind === 'string') {
			draft.options.push(`PASSWORD ${literal(value.value)}`);
			at++;
		} else if (word === 'VALID' && tokens[at + 2]?.kind === 'string') {
			draft.options.push(`VALID UNTIL ${literal(tokens[at + 2]?.value ?? '')}`);
			at += 2;
		}
	}
}

/**
 * Parses `GRANT group TO member WITH ADMIN OPTION GRANTED BY grantor`; the grantor is omitted, because that role may
 * lack the privilege there.
 */
function takeMembership(draftOf: (name: string | undefined) => Draft, {tokens}: Statement): void {
	const of = nameOf(tokens[1]);
	if (of === undefined) return;
	const end = tokens.findIndex(token => token.kind === 'word' && token.value === 'GRANTED');
	const start = tokens.findIndex(token => token.kind === 'word' && token.value === 'WITH');
	const words = start === -1 ? [] : tokens.slice(start, end === -1 ? undefined : end).map(token => token.text);
	const options = /^WITH (?:(?:ADMIN|INHERIT|SET) (?:OPTION|TRUE|FALSE)(?: ?, ?)?)+$/.test(words.join(' '))
		? words.join(' ')
		: '';
	for (const member of namesFrom(tokens, 3)) draftOf(member).memberships.push({of, options});
}

function subjectOf({tokens}: Statement): string {
	const kinds = ['TABLESPACE', 'PARAMETER', 'DATABASE'];
	const at = tokens.findIndex(token => token.kind === 'word' && kinds.includes(token.value));
	const kind = tokens[at]?.value.toLowerCase();
	return kind === undefined
		? tokens
				.slice(0, 2)
				.map(token => token.value)
				.join(' ')
		: `${kind} ${nameOf(tokens[at + 1]) ?? ''}`;
}

export type RolePlan = {
	/** In the order of creation. */
	readonly create: readonly GlobalRole[];
	/** Required, but neither in the target nor in the globals. */
	readonly missing: readonly string[];
	/** For people: differences between existing roles and the globals. */
	readonly differences: readonly string[];
};

/**
 * Plans the roles. `needed` are names of roles; with `all`, every role of the globals. A role requires the groups that
 * it is a member of.
 */
export function planRoles(
	globals: Globals | undefined,
	existing: ReadonlyMap<string, TargetRole>,
	needed: ReadonlySet<string>,
	which: 'needed' | 'all' | 'none',
): RolePlan {
	const known = globals?.roles ?? new Map<string, GlobalRole>();
	const create = new Map<string, GlobalRole>();
	const missing: string[] = [];
	const wanted = [...needed, ...(which === 'all' ? known.keys() : [])];
	for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
		if (existing.has(name) || create.has(name)) continue;
		const role = known.get(name);
		if (!role || which === 'none' || name.startsWith('pg_')) {
			if (needed.has(name) && !missing.includes(name)) missing.push(name);
			continue;
		}
		create.set(name, role);
		wanted.push(...role.memberships.map(membership => membership.of).filter(of => known.has(of)));
	}
	const differences = [...known.values()].flatMap(role => {
		const there = existing.get(role.name);
		return there && (needed.has(role.name) || which === 'all') ? differencesOf(role, there) : [];
	});
	return {create: [...create.values()], missing, differences};
}

function differencesOf(role: GlobalRole, there: TargetRole): readonly string[] {
	const changed = [...role.attributes].filter(
		([attribute, value]) => (there.attributes.get(attribute) ?? false) !== value,
	);
	if (changed.length === 0) return [];
	const words = changed.map(([attribute, value]) => `${value ? '' : 'NO'}${attribute}`).join(' ');
	return [`role ${display(role.name)} exists and is not changed; the dump has ${words}`];
}

/** Returns the statements that create the roles, for one transaction. Secret: they contain passwords. */
export function roleStatements(
	{create}: RolePlan,
	existing: ReadonlyMap<string, TargetRole>,
	by: {readonly superuser: boolean; readonly version: number},
): readonly string[] {
	const there = new Set([...existing.keys(), ...create.map(role => role.name)]);
	return [
		...create.map(role => {
			const attributes = [...role.attributes]
				// Only a superuser may even state that a role does not have these.
				.filter(
					([attribute, value]) =>
						by.superuser || value || !['SUPERUSER', 'REPLICATION', 'BYPASSRLS'].includes(attribute),
				)
				.map(([attribute, value]) => `${value ? '' : 'NO'}${attribute}`);
			const words = [...attributes, ...role.options].join(' ');
			return `CREATE ROLE ${identifier(role.name)}${words === '' ? '' : ` WITH ${words}`}`;
		}),
		// Creating objects that belong to a role requires being able to act as it; revoked at the end.
		...(by.superuser
			? []
			: create.map(
					role =>
						`GRANT ${identifier(role.name)} TO CURRENT_USER${by.version >= 160_000 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`,
				)),
		...create.flatMap(role => [
			...(role.comment === undefined ? [] : [`COMMENT ON ROLE ${identifier(role.name)} IS ${literal(role.comment)}`]),
			...role.settings,
			...role.memberships
				.filter(membership => there.has(membership.of))
				.map(
					({of, options}) =>
						`GRANT ${identifier(of)} TO ${identifier(role.name)}${membershipOptions(options, by.version)}`,
				),
		]),
	];
}

/** Servers before 16 only support the admin option. */
function membershipOptions(options: string, version: number): string {
	if (options === '') return '';
	if (version >= 160_000) return ` ${options}`;
	return /ADMIN (OPTION|TRUE)/.test(options) ? ' WITH ADMIN OPTION' : '';
}
