/**
 * Generates the documents that are derived from tables in the code: man/pg_back.1, the options in docs/configuration.md
 * and the console's keys in docs/console.md; with `--check` it writes nothing and fails when they are outdated.
 * pg_back.conf is written by hand: it must mention every key, and load.
 */
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {manPage, optionsTable} from '../source/cli/man.js';
import {readConfigFile} from '../source/config/config-file.js';
import {configKeys} from '../source/config/options.js';
import {errorCodes, isSystemError} from '../source/core/errors.js';
import {keyGroups} from '../source/ui/key-help.js';

const top = new URL('../', import.meta.url);
const check = process.argv.includes('--check');
const problems: string[] = [];

const {version} = JSON.parse(await read('package.json')) as {readonly version: string};
await settle('man/pg_back.1', manPage(version));
for (const [file, mark, text] of [
	['docs/configuration.md', 'options', optionsTable()],
	['docs/console.md', 'keys', keysTable()],
] as const) {
	const page = await read(file);
	const marked = new RegExp(`(<!-- ${mark} -->\\n)[^]*?(<!-- /${mark} -->)`);
	if (!marked.test(page)) problems.push(`${file} has no place for the ${mark}: <!-- ${mark} --> and <!-- /${mark} -->`);
	await settle(
		file,
		page.replace(marked, (_all, start: string, end: string) => `${start}\n${text}\n\n${end}`),
	);
}
checkConfigFile(await read('pg_back.conf'));
checkErrors(await read('docs/errors.md'));

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function keysTable(): string {
	const row = (title: string, label: string, help: string) =>
		`| ${title} | \`${label.replaceAll('|', '\\|')}\` | ${help} |`;
	const rows = keyGroups().flatMap(group =>
		group.rows.map(({label, help}, index) => row(index === 0 ? group.title : '', label, help)),
	);
	return ['| where | key | what |', '|---|---|---|', ...rows].join('\n');
}

function checkConfigFile(text: string): void {
	for (const key of configKeys.keys()) {
		if (!new RegExp(`^(?:# )?${key} =`, 'm').test(text)) problems.push(`pg_back.conf does not mention ${key}`);
	}
	const everything = text.replaceAll(/^# (?=\w+ =|\[)/gm, '');
	for (const source of [text, everything]) {
		problems.push(...readConfigFile(source, 'pg_back.conf').problems.map(problem => problem.text));
	}
}

/** Each code is described, with its exit status. */
function checkErrors(text: string): void {
	for (const [code, status] of Object.entries(errorCodes)) {
		if (!text.includes(`| \`${code}\` | ${status} | `))
			problems.push(`docs/errors.md does not describe ${code} (${status})`);
	}
}

async function read(path: string): Promise<string> {
	return readFile(new URL(path, top), 'utf8').catch((error: unknown) => {
		if (isSystemError(error) && error.code === 'ENOENT') return '';
		throw error;
	});
}

async function settle(path: string, wanted: string): Promise<void> {
	if ((await read(path)) === wanted) return;
	if (check) problems.push(`${path} lags behind the options table: run node scripts/docs.ts`);
	else {
		await mkdir(new URL('./', new URL(path, top)), {recursive: true});
		await writeFile(new URL(path, top), wanted);
	}
}
