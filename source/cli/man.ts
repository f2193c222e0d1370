/** Generates the manual page and the README's table from the options table. */
import {groups, type OptionName, optionNames, options} from '../config/options.js';
import {defaultText, examples, synopsis} from './help.js';

const exitStatus = [
	['0', 'success'],
	['1', 'one or more databases or steps failed'],
	['2', 'invalid command line'],
	['10', 'invalid configuration'],
	['11', 'another run holds the lock'],
	['12', 'cannot connect or log in'],
	['13', 'pg_dump, pg_dumpall or psql missing or too old'],
	['14', 'remote location'],
	['15', 'replication could not be paused'],
	['16', 'wrong key or passphrase'],
	['17', 'corrupt or incomplete file'],
	['70', 'a bug in pg_back'],
	['128+N', 'terminated by signal N'],
] as const;

const environment = [
	['PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, PGPASSFILE …', 'as in libpq'],
	['PGBK_CIPHER_PASS', 'passphrase, if no key and no other passphrase is given'],
	['PGBK_SSH_PASS', 'password of SFTP, or passphrase of its identity file'],
	['AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY', 'used if azure_account and azure_key are empty'],
	['AWS_*, GOOGLE_APPLICATION_CREDENTIALS', "as in the vendors' tools"],
	['NO_COLOR, TERM, TZ', 'standard meaning'],
] as const;

/** Returns the page in roff, with a final newline. */
export function manPage(version: string): string {
	const lines = [
		'.\\" Made from the options table by scripts/docs.ts: do not edit.',
		`.TH PG_BACK 1 "" "pg_back ${version}" "PostgreSQL backup"`,
		'.SH NAME',
		'pg_back \\- dump PostgreSQL databases, verify, encrypt, upload and purge the dumps',
		'.SH SYNOPSIS',
		'.B pg_back',
		'[\\fIOPTION\\fR]... [\\fIDBNAME\\fR]...',
		'.SH DESCRIPTION',
		...roff(
			'pg_back dumps all or some databases of a PostgreSQL server with pg_dump, and what is needed to rebuild the server: roles, tablespaces, settings, pg_hba.conf and pg_ident.conf. The arguments are the databases to dump; without arguments, all databases that allow connections. With --decrypt, --download and --list-remote they are patterns of file names. Options override the configuration file.',
		),
		'.SH OPTIONS',
	];
	for (const {group, names} of grouped()) {
		lines.push(`.SS ${group}`);
		for (const name of names) lines.push('.TP', `.B ${escapeRoff(synopsis(name).trim())}`, ...roff(sentence(name)));
	}
	lines.push(
		'.SH CONFIGURATION FILE',
		...roff(
			'Parameters are written as key = value; a section named after a database applies to that database only. pg_back --print-default-config prints a complete file with explanations.',
		),
	);
	for (const name of optionNames) {
		const {key, long, perDatabase} = options[name];
		if (key === undefined) continue;
		const place =
			perDatabase === undefined
				? ''
				: perDatabase === 'only'
					? ' (in database sections only)'
					: ' (also in database sections)';
		lines.push(
			'.TP',
			`.B ${escapeRoff(key)}`,
			...roff(long === undefined ? `${sentence(name)}${place}` : `as --${long}${place}`),
		);
	}
	const table = (title: string, rows: readonly (readonly [string, string])[]) =>
		lines.push(`.SH ${title}`, ...rows.flatMap(([term, text]) => ['.TP', `.B ${escapeRoff(term)}`, ...roff(text)]));
	table('ENVIRONMENT', environment);
	table('EXIT STATUS', exitStatus);
	table('FILES', [['/etc/pg_back/pg_back.conf', 'the configuration file, unless -c names a different one']]);
	table('EXAMPLES', examples);
	lines.push('.SH SEE ALSO', '.BR pg_dump (1),', '.BR pg_dumpall (1),', '.BR pg_restore (1),', '.BR age (1)');
	return `${lines.join('\n')}\n`;
}

/** Returns the table of options and config keys for the README, in Markdown. */
export function optionsTable(): string {
	const lines = ['| option | config key | description |', '|---|---|---|'];
	const cell = (text: string) => text.replaceAll('|', String.raw`\|`);
	for (const name of [
		...grouped().flatMap(({names}) => names),
		...optionNames.filter(one => options[one].long === undefined),
	]) {
		const {key, long, negative} = options[name];
		const flag =
			long === undefined ? '' : `\`${synopsis(name).trim()}\`${negative === undefined ? '' : `, \`--${negative}\``}`;
		lines.push(`| ${cell(flag)} | ${key === undefined ? '' : `\`${key}\``} | ${cell(sentence(name))} |`);
	}
	return lines.join('\n');
}

function grouped(): readonly {readonly group: string; readonly names: readonly OptionName[]}[] {
	return groups
		.map(group => ({
			group,
			names: optionNames.filter(name => options[name].group === group && options[name].long !== undefined),
		}))
		.filter(({names}) => names.length > 0);
}

function sentence(name: OptionName): string {
	return `${options[name].help}${defaultText(options[name])}`;
}

function roff(text: string): readonly string[] {
	return [escapeRoff(text)];
}

function escapeRoff(text: string): string {
	return text
		.replaceAll('\\', '\\e')
		.replaceAll('-', '\\-')
		.replace(/^(?=[.'])/, '\\&')
		.replaceAll('…', '...');
}
