/** Compares the settings and access rules of the dumped server with the target's: for information, never applied. */
import {messageOf, PgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {plural} from '../lib/format.js';
import {decodeRaw} from '../lib/raw-text.js';
import {readServerFile, readSettings, type ServerFile} from '../postgres/server-files.js';
import type {Session} from '../postgres/session.js';
import type {DumpItem} from '../repository/dump-items.js';
import type {Finding} from './restore-plan.js';

/** Further ones are only counted. */
const mostListed = 50;

/**
 * Their values may contain passwords. So may settings of extensions and applications, which have a dot in their names.
 */
const confidential = /conninfo|command|passphrase|password|secret|token|key|\./i;

/**
 * Compares the files. `read` returns the text of a file of the run. A failed comparison is a finding, never an error:
 * no database depends on it.
 */
export async function configurationFindings(
	items: readonly DumpItem[],
	session: Session,
	read: (path: string) => Promise<string>,
	signal: AbortSignal,
): Promise<readonly Finding[]> {
	const findings: Finding[] = [];
	for (const {path, parsed} of items) {
		const {kind} = parsed.subject;
		try {
			if (kind === 'settings') {
				const there = textIn(await readSettings(session));
				const current = await session.query(
					'select name, pg_catalog.current_setting(name, true) from pg_catalog.pg_settings',
				);
				findings.push(
					...settingDifferences(
						await read(path),
						there,
						new Map(current.map(([name, value]) => [name ?? '', value ?? ''])),
					),
				);
			} else if (kind === 'hba' || kind === 'ident') {
				const there = textIn(await readServerFile(session, `${kind}_file`));
				findings.push(...ruleDifferences(path, await read(path), there));
			}
		} catch (error) {
			signal.throwIfAborted();
			if (!session.alive || (error instanceof PgBackError && error.code === 'BUG')) throw error;
			findings.push({
				severity: 'warn',
				text: `${display(path)} is not compared with the target: ${messageOf(error)}`,
			});
		}
	}
	return findings;
}

function textIn({content, warning}: ServerFile): string {
	if (content === undefined && warning !== undefined) throw new PgBackError('FAILED', warning);
	return decodeRaw(Buffer.from(content ?? []));
}

/**
 * Compares settings. `dumped` and `there` are in the format of the backup; `current` has the effective values,
 * including defaults. Pure.
 */
export function settingDifferences(
	dumped: string,
	there: string,
	current: ReadonlyMap<string, string>,
): readonly Finding[] {
	const own = parseSettings(there);
	const lines: string[] = [];
	for (const [name, value] of parseSettings(dumped)) {
		const now = own.get(name) ?? current.get(name);
		if (value === now || value === current.get(name)) continue;
		const hidden = confidential.test(name);
		const target = now === undefined ? 'nothing of that name' : hidden ? 'another value' : display(`'${now}'`);
		lines.push(`${display(name)} was ${hidden ? 'set' : display(`'${value}'`)}, the target has ${target}`);
	}
	const listed = lines.slice(0, mostListed);
	const rest = lines.length - listed.length;
	return [...listed, ...(rest > 0 ? [`${plural(rest, 'more setting')} differ`] : [])].map(text => ({
		severity: 'note',
		text: `setting, to read, never applied: ${text}`,
	}));
}

/** Parses lines `name = 'value'`; other lines are ignored. */
function parseSettings(text: string): ReadonlyMap<string, string> {
	const settings = new Map<string, string>();
	for (const line of text.split('\n')) {
		const [, name, quoted] = /^([\w.$-]+) = '((?:[^'\\]|''|\\.)*)'$/.exec(line) ?? [];
		if (name !== undefined && quoted !== undefined) settings.set(name, unquoted(quoted));
	}
	return settings;
}

function unquoted(text: string): string {
	return text.replaceAll(/''|\\(.)/g, (whole, escaped: string | undefined) => {
		if (whole === "''") return "'";
		return escaped === 'n' ? '\n' : escaped === 'r' ? '\r' : (escaped ?? '');
	});
}

/** Counts the rules that only one side has; they may contain passwords, so they are not shown. Pure. */
export function ruleDifferences(path: string, dumped: string, there: string): readonly Finding[] {
	const [before, now] = [rulesOf(dumped), rulesOf(there)];
	const lost = [...before].filter(rule => !now.has(rule)).length;
	const added = [...now].filter(rule => !before.has(rule)).length;
	if (lost === 0 && added === 0) return [];
	return [
		{
			severity: 'note',
			text: `access rules, to read, never applied: ${plural(lost, 'line')} of ${display(path)} not in the target, ${added} only there`,
		},
	];
}

function rulesOf(text: string): ReadonlySet<string> {
	const lines = text.split('\n').map(line =>
		line
			.replace(/^\s*#.*$/, '')
			.trim()
			.replaceAll(/\s+/g, ' '),
	);
	return new Set(lines.filter(line => line !== ''));
}
