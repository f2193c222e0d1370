/** Every code block of the documents: commands are run on a scratch machine, configurations are checked; the rest says why it is not run. */
import assert from 'node:assert/strict';
import {copyFileSync, cpSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {type Block, blocksOf, documentBlocks} from '../helpers/documents.js';
import {findTool, whyMissing} from '../helpers/tools.js';
import {
	createDatabases,
	giveStoreKeys,
	type Machine,
	onMachine,
	openMachine,
	openSite,
	type Profile,
	runScript,
	type Site,
} from './document-site.js';
import {s3Settings} from './remote-places.js';

type Rule = {
	/** Of the text of the blocks that it is for; the first that fits counts. */
	readonly fits: RegExp;
	/** Why the block is not run here. */
	readonly not?: string;
	readonly profile?: Profile;
	/** What a reader has done before. */
	readonly before?: (machine: Machine, site: Site) => Promise<void> | void;
	/** The line, changed for a run without a terminal; SQL statements for `app` before it. */
	readonly line?: (line: string) => string;
	readonly sql?: (line: string) => string | undefined;
	/** 0 unless given. */
	readonly code?: number;
	/** Of the output. */
	readonly says?: RegExp;
};

/** The dumps of the newest run, as a download leaves them. */
const fetched = ({root, backups}: Machine) => {
	cpSync(backups, join(root, 'restore'), {recursive: true});
	const [older = ''] = readdirSync(backups).filter(name => /^app_.*\.age$/.test(name));
	rmSync(join(root, 'restore', older));
};
const beside = ({root, backups}: Machine) => cpSync(backups, join(root, 'work'), {recursive: true});
const decrypted = async (machine: Machine) => {
	beside(machine);
	const globals = readdirSync(machine.backups).filter(name => /^pg_globals.*\.sql\.age$/.test(name));
	const lines = globals.map(name => `age -d -i anna.txt -o ./${name.slice(0, -4)} ./${name}`);
	await runScript(machine, lines.join('\n'));
};
const without =
	(sql: string) =>
	async (_: Machine, {server}: Site): Promise<void> => {
		await server.psql('postgres', sql);
	};
const goneApp = without('drop database app with (force)');

const rules: readonly Rule[] = [
	{fits: /^npm run demo/, not: 'test/e2e/setup-demo.test.ts runs the demo'},
	{fits: /npm test/, not: 'it runs the tests, this one among them'},
	{
		fits: /^(?:apt-get install|rpm |install -m 0755 pg_back)/,
		not: 'npm run test:package installs the packages on minimal roots',
	},
	{fits: /^pg_back -i(?: |$)/, not: 'the console needs a terminal: test/e2e/console-*.test.ts'},
	{
		fits: /^systemctl (?:enable|edit)[^\n]*$/,
		not: 'no systemd here: test/e2e/setup-packaging.test.ts checks the units',
	},
	{fits: /→|^├|^│/, not: 'a drawing'},
	{
		fits: /^(?:\d{4}\/|PG_BACK |to remove from|app: restored|\s+server {2}databases|#?\s*[✗!])/,
		not: 'output of a command, not a command',
	},
	{fits: /^\/etc\/pg_back\/pg_back\.conf +/, not: 'names of files'},
	{fits: /fleet s3 --json|--check-age 26h --fleet|^pg_back --fleet /, before: reported, code: 0},
	{fits: /--fleet-metrics/, before: reported},
	{fits: /--servers all --purge/, before: reported},
	{fits: /--servers 'db\*,pay\?' --verify/, before: reported},
	{
		fits: /^(?:sbatch|gcloud|aws batch|nomad) /,
		not: 'needs the engine: test/fleet/slurm.test.ts runs a Slurm array, test/fleet/shards.test.ts a controller',
	},
	{
		fits: /^seq 8 \| parallel/,
		...(findTool('parallel') === undefined && {not: 'GNU parallel is not installed here'}),
		before: meeting,
	},
	{
		fits: /--shard (?:3|auto)\/8/,
		before: meeting,
		line: line => `export JOB_COMPLETION_INDEX=2 JOB_NAME=${line.includes('--servers') ? 'all' : 'one'}\n${line}`,
	},
	{fits: /--server NAME --restore-drill/, before: reported, line: line => line.replace('NAME', 'db1')},
	{fits: /JOB_COMPLETION_INDEX/, line: line => (line.startsWith('set') ? `JOB_COMPLETION_INDEX=0\n${line}` : line)},
	{
		fits: /--restore --dry-run app/,
		before: goneApp,
		line: line => line.replace(/--replace$/, '--replace --confirm app'),
		sql: line => (line.includes('--only') ? 'drop table app.orders' : undefined),
	},
	{
		fits: /-U backup -d postgres/,
		before: without(
			'do $$ begin create role backup login superuser; exception when duplicate_object then null; end $$',
		),
	},
	{fits: /^pg_back -h standby1/, line: line => line.replace('-h standby1 ', '')},
	{fits: /--replay run\.jsonl/, line: line => (line.includes('--replay') ? `${line} --no-tui` : line)},
	{fits: /^age-keygen -o/, before: ({root}) => rmSync(join(root, 'work/anna.txt'))},
	{
		fits: /--decrypt --stdout/,
		profile: 'encrypted',
		before: async (machine, site) => {
			fetched(machine);
			await emptyApp(site);
		},
	},
	{fits: /--download s3 --decrypt/, profile: 'encrypted'},
	{fits: /^psql -X -d postgres -f \.\/pg_globals/, profile: 'encrypted', before: decrypted},
	{
		fits: /^set -o pipefail/,
		profile: 'encrypted',
		before: async (machine, site) => {
			beside(machine);
			await goneApp(machine, site);
		},
	},
	{
		fits: /^cd \.\/app_.*\.d\nfor/,
		profile: 'directory',
		before: async (machine, site) => {
			beside(machine);
			copyFileSync(join(machine.root, 'work/anna.txt'), join(machine.root, 'anna.txt'));
			await goneApp(machine, site);
		},
		line: line => line.replaceAll('anna.txt', '../anna.txt'),
	},
	{fits: /^pg_back --restore-drill/},
	{fits: /--cipher-identity-file/, profile: 'encrypted'},
	{fits: /--check-age/},
	{fits: /--diff/, code: 0},
	{fits: /^install -d .*\/etc\/pg_back\/main/, line: line => line.replace(' -g postgres', '')},
];

async function emptyApp({server}: Site): Promise<void> {
	await server.psql('postgres', 'drop database app with (force)');
	await server.psql('postgres', 'create database app');
}

/** The processes of a divided run meet at the remote location. */
function meeting(machine: Machine): void {
	setFleetPrefix(machine, 'divided');
}

function setFleetPrefix({root}: Machine, prefix: string): void {
	writeFileSync(join(root, 'etc/pg_back/pg_back.conf'), `fleet_prefix = ${prefix}\n`, {flag: 'a'});
}

/** The servers of the fleet have made a backup each. */
async function reported(machine: Machine): Promise<void> {
	setFleetPrefix(machine, 'fleet');
	const {code, output} = await runScript(machine, 'pg_back --servers all app shop');
	assert.equal(code, 0, output);
}

const isConfiguration = ({language, text}: Block) =>
	language === 'ini' || (language === '' && /^#? ?[a-z_0-9]+ = /.test(text));

const blocks = documentBlocks();

test('blocks are found: fenced, indented, in lists', () => {
	const text = 'a\n\n    one\n    two\n\n1. b\n\n       three\n\n   | x |\n\n```ini\nk = v\n```\n';
	assert.deepEqual(
		blocksOf(text, 'f').map(one => [one.where, one.language, one.text]),
		[
			['f:3', '', 'one\ntwo'],
			['f:8', '', 'three'],
			['f:12', 'ini', 'k = v'],
		],
	);
	assert.ok(blocks.length > 40, String(blocks.length));
});

const missing = findTool('age-keygen') === undefined ? `no age-keygen: ${whyMissing('commands')}` : false;

describe('the blocks of the documents', {skip: missing}, () => {
	let site: Site;
	before(async () => {
		site = await openSite();
	});
	after(() => site.close());

	for (const block of blocks) {
		const [first = ''] = block.text.split('\n');
		test(`${block.where}: ${first.slice(0, 60)}`, async t => {
			const rule = rules.find(({fits}) => fits.test(block.text)) ?? {fits: /^/};
			if (isConfiguration(block)) return checkConfiguration(site, block);
			if (rule.not !== undefined || !/^(?:sh|bash|)$/.test(block.language))
				return t.skip(rule.not ?? `a block of ${block.language}`);
			await createDatabases(site.server);
			const machine = openMachine(site, rule.profile ?? 'plain');
			await rule.before?.(machine, site);
			return runBlock(site, machine, block, rule);
		});
	}
});

async function runBlock({server}: Site, machine: Machine, {text, where}: Block, rule: Rule): Promise<void> {
	// A line of cron has its schedule and its user before the command; what a command prints is shown below it.
	const script = text.replaceAll(/^(?:[\d*/,-]+ +){5}\w+ +/gm, '').replaceAll(/^PG_BACK .*$/gm, '');
	const isOne = rule.sql === undefined;
	for (const part of isOne ? [script] : script.split('\n')) {
		const sql = rule.sql?.(part);
		if (sql !== undefined) await server.psql('app', sql);
		const lines = part.split('\n').map(line => rule.line?.(line) ?? line);
		const {code, output} = await runScript(machine, onMachine(machine, lines.join('\n')));
		assert.equal(code, rule.code ?? 0, `${where}\n${lines.join('\n')}\n${output}`);
		if (rule.says) assert.match(output, rule.says);
	}
}

/** Every key is known, every value is one, and a run could use them. */
async function checkConfiguration(site: Site, {text, where}: Block): Promise<void> {
	const machine = openMachine(site, 'plain');
	// Lines that are commented out are offered to the reader as well.
	const lines = onMachine(machine, text).replaceAll(/^# (?=[a-z_0-9]+ = )/gm, '');
	const path = join(machine.root, 'work/block.conf');
	const alternatives = /cipher_pass_command/.test(lines) ? lines.replace(/^cipher_pass_command.*$/m, '') : lines;
	// The settings of the store stand in another block.
	const store = /^upload = s3$/m.test(lines) && !lines.includes('s3_bucket') ? s3Settings(site.bucket.url) : [];
	writeFileSync(path, `${[alternatives, ...store].join('\n')}\n`, {mode: 0o600});
	if (/^(sftp_host|gcs_keyfile) /m.test(lines)) await giveStoreKeys(machine);
	const {code, output} = await runScript(machine, `pg_back -c '${path}' --check-config`);
	assert.equal(code, 0, `${where}\n${lines}\n${output}`);
}
