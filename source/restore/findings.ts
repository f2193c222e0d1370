/** Finds what the target lacks, and what the user should know, before a restore creates anything: all at once. Pure. */
import {type ErrorCode, errorCodes, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {hasRawBytes} from '../lib/raw-text.js';
import type {Inventory, TargetDatabase} from '../postgres/target-inventory.js';
import {formatVersion, parseVersion} from '../postgres/versions.js';
import type {ChosenRun} from './choose-run.js';
import {skipOption} from './command-line.js';
import {withoutRaw} from './raw-properties.js';
import type {RestoreOptions} from './restore-options.js';
import type {DatabasePlan, Finding} from './restore-plan.js';
import type {GlobalRole, RolePlan} from './roles.js';

export function serverFindings(inventory: Inventory, chosen: ChosenRun, options: RestoreOptions): readonly Finding[] {
	const stop = (text: string, hint: string): Finding => ({severity: 'stop', code: 'TARGET_LACKS', text, hint});
	const {version, inRecovery, readOnly, brokenLanguage, createsDatabases, user} = inventory;
	const findings: Finding[] = [];
	if (version < 100_000)
		findings.push(stop(`the target is PostgreSQL ${inventory.versionText}`, 'restore into PostgreSQL 10 or newer'));
	if (inRecovery) findings.push(stop('the target is a standby', 'connect to the primary with -h and -p'));
	if (readOnly)
		findings.push(
			stop(
				'the target has default_transaction_read_only = on',
				'writes are disabled there: ask its administrator, then turn the setting off',
			),
		);
	if (brokenLanguage !== undefined) {
		findings.push(
			stop(
				`PL/pgSQL does not work on the target: ${display(brokenLanguage)}`,
				'restart the server after upgrading its packages',
			),
		);
	}
	if (!createsDatabases && options.only === undefined)
		findings.push(stop(`${display(user)} may not create databases`, 'use a superuser, or ALTER ROLE … CREATEDB'));
	if (chosen.found === undefined) {
		findings.push({
			severity: 'warn',
			text: 'these dumps have no manifest: their origin is unknown, and a restore executes their code',
			hint: 'restore only dumps whose origin you know',
		});
	}
	for (const text of chosen.passedOver)
		findings.push({severity: 'warn', text: `skipped because it does not have everything that was requested: ${text}`});
	const dumped = versionOf(chosen.manifest?.server.version);
	if (dumped !== undefined) findings.push(...versionFindings(dumped, inventory));
	return findings;
}

function versionFindings(dumped: number, {version, versionText, replicas, archives}: Inventory): readonly Finding[] {
	const findings: Finding[] = [];
	const major = (number: number) => Math.floor(number / 10_000);
	if (major(dumped) > major(version)) {
		findings.push({
			severity: 'warn',
			text: `the dumped server is PostgreSQL ${formatVersion(dumped)}, the target ${versionText}: objects that an older server does not support will fail`,
		});
	} else if (major(dumped) === major(version) && dumped > version) {
		findings.push({
			severity: 'note',
			text: `the target (${versionText}) is an older minor release than the dumped server (${formatVersion(dumped)})`,
		});
	}
	if (replicas > 0 || archives) {
		const who = [replicas > 0 ? plural(replicas, 'replica') : '', archives ? 'the WAL archive' : ''].filter(Boolean);
		findings.push({severity: 'note', text: `${who.join(' and ')} will receive all loaded data as WAL`});
	}
	return findings;
}

function versionOf(text: string | undefined): number | undefined {
	return text === undefined ? undefined : parseVersion(`x ${text}`);
}

export function roleFindings(
	roles: RolePlan,
	inventory: Inventory,
	options: RestoreOptions,
	hasGlobals: boolean,
): readonly Finding[] {
	const findings: Finding[] = [];
	for (const name of roles.missing) {
		const why =
			options.roles === 'none' ? '' : hasGlobals ? ', nor do the globals of the run' : ', and the run has no globals';
		findings.push({
			severity: 'stop',
			code: 'TARGET_LACKS',
			text: `role ${display(name)} does not exist in the target${why}`,
			hint: 'create the role, or use --owner ROLE with --no-privileges',
		});
	}
	if (roles.create.length > 0 && !inventory.createsRoles) {
		findings.push({
			severity: 'stop',
			code: 'TARGET_LACKS',
			text: `${display(inventory.user)} may not create the missing roles ${roles.create.map(role => display(role.name)).join(', ')}`,
			hint: 'ask an administrator to create them, or use --owner ROLE with --no-privileges',
		});
	}
	findings.push(
		...(inventory.encoding === 'SQL_ASCII' ? [] : roles.create.flatMap(role => rawFindings(role, inventory))),
	);
	const special = roles.create.filter(role => role.attributes.get('SUPERUSER'));
	if (special.length > 0 && !inventory.superuser && inventory.createsRoles) {
		findings.push({
			severity: 'stop',
			code: 'TARGET_LACKS',
			text: `only a superuser can create the superuser ${special.map(role => display(role.name)).join(', ')}`,
			hint: 'use a superuser, or create the role without that attribute first',
		});
	}
	return [...findings, ...roles.differences.map(text => ({severity: 'note', text}) as const)];
}

/** A session of ours can only write what its database's encoding allows. */
function rawFindings(role: GlobalRole, {encoding}: Inventory): readonly Finding[] {
	const because = `has bytes that are not valid in ${encoding}`;
	if (hasRawBytes(role.name)) {
		const text = `the name of the role ${display(role.name)} ${because}`;
		const hint = 'use --owner ROLE with --no-privileges, or -d NAME with a database in the encoding SQL_ASCII';
		return [{severity: 'stop', code: 'TARGET_LACKS', text, hint}];
	}
	const text = (what: string) => `not restored for the role ${display(role.name)}, because it ${because}: ${what}`;
	return withoutRaw(role).removed.map(what => ({severity: 'warn', text: text(what)}));
}

/** Returns the findings about one database. */
export function databaseFindings(
	plan: DatabasePlan,
	inventory: Inventory,
	options: RestoreOptions,
): readonly Finding[] {
	const {prepared, mode, target} = plan;
	const {database} = prepared.dump;
	const about = (finding: Omit<Finding, 'database'>): Finding => ({...finding, database});
	const lacks = (text: string, hint: string) => about({severity: 'stop', code: 'TARGET_LACKS', text, hint});
	const findings: Finding[] = [...prepared.findings];
	const {extensions, tablespaces, privileged, subscriptions, grantors} = prepared.needs;
	const superuser = createsAsSuperuser(inventory, options);
	const onlySuperuser = (what: string, pattern: string | undefined) => {
		const skip = pattern === undefined ? '' : `, or ${skipOption([pattern])}`;
		if (!inventory.superuser) return lacks(`only a superuser can create ${what}`, `use a superuser${skip}`);
		return lacks(
			`only a superuser can create ${what}, and ${display(options.owner ?? '')} of --owner is none`,
			`restore without --owner and use REASSIGN OWNED afterwards${skip}`,
		);
	};
	for (const name of extensions) {
		if (!inventory.extensions.has(name))
			findings.push(lacks(`extension ${display(name)} is not available in the target`, packageHint(name)));
		else if (mustBePreloaded.has(name) && !inventory.preloaded.includes(name))
			findings.push(
				lacks(`extension ${display(name)} needs shared_preload_libraries`, `add ${name} to it and restart the server`),
			);
		else if (!superuser && !inventory.trustedExtensions.has(name))
			findings.push(onlySuperuser(`extension ${display(name)}`, `extension ${name}`));
	}
	for (const name of tablespaces) {
		if (!inventory.tablespaces.has(name))
			findings.push(
				about({
					severity: 'note',
					text: `tablespace ${display(name)} does not exist in the target: the default one is used`,
				}),
			);
	}
	if (!superuser)
		for (const {what, name, skip} of privileged) findings.push(onlySuperuser(`${what} ${display(name)}`, skip));
	if (!inventory.superuser && options.privileges)
		for (const name of grantors)
			if (name !== inventory.user)
				findings.push(
					lacks(
						`only a superuser can restore the privileges that ${display(name)} has granted`,
						'use a superuser, or --no-privileges',
					),
				);
	if (!inventory.superuser) findings.push(...ownerFindings(plan, inventory, options).map(about));
	for (const name of subscriptions)
		findings.push(about({severity: 'note', text: `subscription ${display(name)} is restored disabled`}));
	if (mode === 'skip')
		findings.push(about({severity: 'note', text: `${display(target)} is unchanged: both it and the dump are empty`}));
	else findings.push(...nameFindings(plan, inventory, options).map(about));
	return findings;
}

/** With --owner everything is created as that role. */
function createsAsSuperuser({superuser, roles}: Inventory, {owner}: RestoreOptions): boolean {
	return superuser && (owner === undefined || roles.get(owner)?.attributes.get('SUPERUSER') === true);
}

/** Without superuser, objects can only be created for roles that our user may act as. */
function ownerFindings(
	{prepared, definition, mode}: DatabasePlan,
	inventory: Inventory,
	options: RestoreOptions,
): readonly Omit<Finding, 'database'>[] {
	// The database itself is not restored with --only.
	const all = [...prepared.needs.owners, mode === 'only' ? '' : (definition.owner ?? '')];
	const owners = options.owner === undefined ? all : [options.owner];
	const isForeign = (name: string) => name !== '' && inventory.roles.get(name)?.isOurs === false;
	// Whoever owns a database is a member of pg_database_owner there, and the restored one is ours at first.
	const foreign = [...new Set(owners)].filter(
		name => isForeign(name) && (mode === 'only' || name !== 'pg_database_owner'),
	);
	return foreign.map(name => ({
		severity: 'stop',
		code: 'TARGET_LACKS',
		text: `${display(inventory.user)} may not act as ${display(name)}, the owner of the restored objects`,
		hint: 'use --owner ROLE to give everything to a role that you are a member of',
	}));
}

function nameFindings(
	{target, mode, previous}: DatabasePlan,
	inventory: Inventory,
	options: RestoreOptions,
): readonly Omit<Finding, 'database'>[] {
	const there = inventory.databases.get(target);
	if (mode === 'only') return [];
	if (hasRawBytes(target) && inventory.encoding !== 'SQL_ASCII') {
		const text = `the name of the database ${display(target)} has bytes that are not valid in ${inventory.encoding}`;
		return [{severity: 'stop', code: 'TARGET_LACKS', text, hint: 'use --into NAME to restore under another name'}];
	}
	if (there && mode === 'create') {
		const hint =
			options.into === undefined
				? 'use --into NAME to restore under another name, or --replace to replace it'
				: 'choose another name with --into';
		return [{severity: 'stop', code: 'EXISTS', text: `database ${display(target)} exists in the target`, hint}];
	}
	if (!there || mode !== 'replace') return [];
	const findings: Omit<Finding, 'database'>[] = [];
	const blocked = (text: string, hint: string) => findings.push({severity: 'stop', code: 'TARGET_LACKS', text, hint});
	if (there.preparedTransactions > 0) blocked(preparedText(there), preparedHint);
	if (there.replicationSlots.length > 0)
		blocked(
			`${display(target)} has logical replication slots: ${display(there.replicationSlots.join(', '))}`,
			'drop them first; subscribers need a new copy afterwards',
		);
	if (there.subscriptions > 0)
		blocked(`${display(target)} has ${plural(there.subscriptions, 'subscription')}`, 'disable and drop them first');
	if (there.isTemplate) blocked(`${display(target)} is a template`, 'restore with --into, and swap them by hand');
	if (!inventory.superuser && inventory.roles.get(there.owner)?.isOurs !== true)
		blocked(
			`${display(inventory.user)} may not rename ${display(target)}, which belongs to ${display(there.owner)}`,
			'use a superuser, or --into NAME',
		);
	findings.push({
		severity: 'warn',
		text: `${display(target)} (${plural(there.sessions, 'session')}) will be replaced: it becomes ${display(previous ?? '')}`,
	});
	return findings;
}

export function preparedText({name, preparedTransactions}: TargetDatabase): string {
	return `${display(name)} has ${plural(preparedTransactions, 'prepared transaction')}`;
}

export const preparedHint = 'commit or roll them back first';

const mustBePreloaded: ReadonlySet<string> = new Set(['timescaledb', 'citus', 'pg_cron', 'pg_squeeze', 'pgaudit']);

const packages: Readonly<Record<string, string>> = {
	postgis: 'postgresql-MAJOR-postgis-3',
	timescaledb: 'timescaledb-2-postgresql-MAJOR',
	vector: 'postgresql-MAJOR-pgvector',
	pg_cron: 'postgresql-MAJOR-cron',
	pg_partman: 'postgresql-MAJOR-partman',
	pg_repack: 'postgresql-MAJOR-repack',
	hypopg: 'postgresql-MAJOR-hypopg',
	pgaudit: 'postgresql-MAJOR-pgaudit',
	plpython3u: 'postgresql-plpython3-MAJOR',
	plperl: 'postgresql-plperl-MAJOR',
	plperlu: 'postgresql-plperl-MAJOR',
	pltcl: 'postgresql-pltcl-MAJOR',
	citus: 'postgresql-MAJOR-citus',
};

function packageHint(name: string): string {
	const package_ = packages[name.replace(/^postgis_.*/, 'postgis')] ?? 'postgresql-contrib, or the package that has it';
	return `install ${package_} on the server, or ${skipOption([`extension ${name}`])}`;
}

/** Returns one error for all `stop` findings; undefined without one. Its lines are for the log, in `output`. */
export function stopError(findings: readonly Finding[]): PgBackError | undefined {
	const stops = findings.filter(finding => finding.severity === 'stop');
	const [first] = stops;
	if (!first) return undefined;
	const codes = [...new Set(stops.map(finding => finding.code ?? 'TARGET_LACKS'))];
	const code = order.find(one => codes.includes(one)) ?? codes[0] ?? 'TARGET_LACKS';
	const hint = stops.find(finding => finding.code === code)?.hint ?? first.hint;
	const text =
		stops.length === 1
			? first.text
			: `${plural(stops.length, 'problem')} to solve first (nothing was created): ${stops.map(one => one.text).join('; ')}`;
	return new PgBackError(code, text, {...(hint !== undefined && {hint}), exitCode: errorCodes[code]});
}

/**
 * Of several stops the first in this order determines the exit status: problems of the dump, then of the target, then
 * of names.
 */
const order: readonly ErrorCode[] = ['WRONG_KEY', 'CORRUPT', 'TOOLS', 'USAGE', 'TARGET_LACKS', 'FILE_SYSTEM', 'EXISTS'];
