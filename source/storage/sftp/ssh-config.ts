/**
 * Evaluates the client configuration of ssh (ssh_config(5)) as OpenSSH does, for the keywords that matter to an SFTP
 * session.
 */
import {glob} from 'node:fs/promises';
import {basename, isAbsolute, join} from 'node:path';
import {openGivenFile} from '../../lib/given-file.js';
import {matchesPattern} from './known-hosts.js';
import {splitLine, splitWords} from './ssh-config-words.js';

export type SshConfigFile = {
	readonly path: string;
	/** A missing file is an error. */
	readonly mustExist?: boolean;
	/** The base directory for relative names of `Include`. */
	readonly base: string;
};

export type SshConfigQuery = {
	/** The host as the user wrote it. */
	readonly host: string;
	/** Given outside the configuration, which it overrides. */
	readonly user?: string;
	readonly localUser: string;
	/** Expands `~` in the names of included files. */
	readonly expand: (path: string) => Promise<string>;
};

export type SshConfigValues = {
	hostName?: string;
	user?: string;
	port?: string;
	hostKeyAlias?: string;
	identityAgent?: string;
	proxyJump?: string;
	proxyCommand?: string;
	identities?: string[];
	knownHosts?: readonly string[];
	globalKnownHosts?: readonly string[];
};

export type EvaluatedSshConfig = SshConfigValues & {
	/** `file:line: Match exec …` for each block that was skipped because evaluating it needs a command, or more. */
	readonly unevaluated: readonly string[];
};

/**
 * Reads the files in order; the first value of each keyword wins. Throws an Error with file and line where ssh would
 * stop.
 */
export async function evaluateSshConfig(
	files: readonly SshConfigFile[],
	query: SshConfigQuery,
): Promise<EvaluatedSshConfig> {
	const pass: Pass = {query, values: {}, host: query.host, final: false, wantsFinal: false, unevaluated: new Set()};
	for (const file of files) await readFileInto(pass, file, {isActive: true, neverMatch: false, depth: 0});
	if (pass.wantsFinal) {
		const host = hostNameOf(pass);
		const last: Pass = {...pass, host, final: true};
		for (const file of files) await readFileInto(last, file, {isActive: true, neverMatch: false, depth: 0});
	}
	return {...pass.values, unevaluated: [...pass.unevaluated]};
}

type Pass = {
	readonly query: SshConfigQuery;
	readonly values: SshConfigValues;
	/** The value that `Host` is compared with: the host name itself in the final pass. */
	readonly host: string;
	readonly final: boolean;
	wantsFinal: boolean;
	readonly unevaluated: Set<string>;
};

type Scope = {readonly isActive: boolean; readonly neverMatch: boolean; readonly depth: number};

const deepestInclude = 16;
/** Bytes; a configuration is written by hand. */
const largestFile = 1024 * 1024;

async function readFileInto(pass: Pass, file: SshConfigFile, scope: Scope): Promise<void> {
	const text = await readConfigFile(file);
	let {isActive} = scope;
	for (const [index, line] of text.split('\n').entries()) {
		const at = `${file.path}:${index + 1}`;
		const {keyword, rest} = splitLine(line);
		if (keyword === '') continue;
		const words = () => wordsOf(at, rest);
		if (keyword === 'host') isActive = !scope.neverMatch && matchesHostLine(words(), pass.host);
		else if (keyword === 'match') isActive = matchCriteria(pass, words(), {at, neverMatch: scope.neverMatch});
		else if (keyword === 'include') await include(pass, file, words(), {...scope, isActive});
		else if (isActive) setValue(pass.values, keyword, rest, words);
	}
}

async function readConfigFile({path, mustExist}: SshConfigFile): Promise<string> {
	let handle;
	try {
		handle = await openGivenFile(path);
	} catch (error) {
		if (!mustExist && ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
		throw error;
	}
	try {
		const stats = await handle.stat();
		if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
		const isForeign = stats.uid !== 0 && stats.uid !== process.geteuid?.();
		const isShared = (stats.mode & 0o002) !== 0 || ((stats.mode & 0o020) !== 0 && stats.gid !== process.getegid?.());
		// ssh rejects such a file too, because it determines where the dumps go.
		if (isForeign || isShared)
			throw new Error(`${path} ${isForeign ? 'belongs to another user' : 'can be written by others'}`);
		if (stats.size > largestFile) throw new Error(`${path} is larger than ${largestFile} bytes`);
		return await handle.readFile('utf8');
	} finally {
		await handle.close();
	}
}

function wordsOf(at: string, rest: string): string[] {
	const words = splitWords(rest);
	if (words === undefined) throw new Error(`${at}: invalid quotes`);
	if (words.length === 0) throw new Error(`${at}: a value is missing`);
	return words;
}

async function include(pass: Pass, file: SshConfigFile, patterns: readonly string[], scope: Scope): Promise<void> {
	if (scope.depth >= deepestInclude) throw new Error(`${file.path}: too many levels of Include`);
	for (const pattern of patterns) {
		const expanded = await pass.query.expand(pattern);
		const full = isAbsolute(expanded) ? expanded : join(file.base, expanded);
		const names: string[] = [];
		for await (const name of glob(full)) names.push(name);
		for (const path of names.toSorted()) {
			if (basename(path).startsWith('.') && !basename(full).startsWith('.')) continue; // like glob(3)
			// A block that does not apply is parsed only for errors.
			const inner = {...scope, neverMatch: scope.neverMatch || !scope.isActive, depth: scope.depth + 1};
			await readFileInto(pass, {path, base: file.base}, inner);
		}
	}
}

/** The first matching pattern with `!` ends the evaluation. */
function matchesHostLine(patterns: readonly string[], host: string): boolean {
	let found = false;
	for (const pattern of patterns) {
		const isNegated = pattern.startsWith('!');
		if (!matchesPattern(isNegated ? pattern.slice(1) : pattern, host)) continue;
		if (isNegated) return false;
		found = true;
	}
	return found;
}

function matchCriteria(
	pass: Pass,
	words: readonly string[],
	{at, neverMatch}: {readonly at: string; readonly neverMatch: boolean},
): boolean {
	let result = !neverMatch;
	const left = words.flatMap(word => (/^!?[a-z]+=/i.test(word) ? word.split(/=(.*)/s).slice(0, 2) : [word]));
	while (left.length > 0) {
		const word = left.shift() ?? '';
		const isNegated = word.startsWith('!');
		const criterion = word.slice(isNegated ? 1 : 0).toLowerCase();
		if (criterion === 'all') continue;
		if (criterion === 'final' || criterion === 'canonical') {
			if (criterion === 'final') pass.wantsFinal = true;
			if (pass.final === isNegated) result = false;
			continue;
		}
		const value = left.shift();
		if (value === undefined) throw new Error(`${at}: Match ${criterion} needs a value`);
		const subject = subjectOf(pass, criterion);
		if (subject === undefined) {
			if (!unevaluated.has(criterion)) throw new Error(`${at}: unknown Match criterion ${criterion}`);
			// A block that cannot apply for another reason is not reported.
			if (result) pass.unevaluated.add(`${at}: Match ${criterion} is not supported, skipping its block`);
			result = false;
		} else if (matchesHostLine(value.split(','), subject) === isNegated) result = false;
	}
	return result;
}

/** Criteria that run a command or need information that only ssh has. */
const unevaluated: ReadonlySet<string> = new Set([
	'exec',
	'localnetwork',
	'tagged',
	'version',
	'sessiontype',
	'command',
]);

function subjectOf(pass: Pass, criterion: string): string | undefined {
	const {query, values, host} = pass;
	switch (criterion) {
		case 'host':
			return values.hostName === undefined ? host : hostNameOf(pass);
		case 'originalhost':
			return query.host;
		case 'user':
			return query.user ?? values.user ?? query.localUser;
		case 'localuser':
			return query.localUser;
		default:
			return undefined;
	}
}

function hostNameOf({values, query}: Pass): string {
	return expandHostName(values.hostName, query.host);
}

/** Expands the tokens of `HostName`. */
export function expandHostName(hostName: string | undefined, host: string): string {
	return (hostName ?? '%h').replaceAll(/%([%h])/g, (_all, letter: string) => (letter === 'h' ? host : '%'));
}

const single: Readonly<Record<string, 'hostName' | 'user' | 'port' | 'hostKeyAlias' | 'identityAgent'>> = {
	hostname: 'hostName',
	user: 'user',
	port: 'port',
	hostkeyalias: 'hostKeyAlias',
	identityagent: 'identityAgent',
};
const lists: Readonly<Record<string, 'knownHosts' | 'globalKnownHosts'>> = {
	userknownhostsfile: 'knownHosts',
	globalknownhostsfile: 'globalKnownHosts',
};

function setValue(values: SshConfigValues, keyword: string, rest: string, words: () => string[]): void {
	const one = Object.hasOwn(single, keyword) ? single[keyword] : undefined;
	const list = Object.hasOwn(lists, keyword) ? lists[keyword] : undefined;
	if (one !== undefined) values[one] ??= words()[0];
	else if (list !== undefined) values[list] ??= words();
	else if (keyword === 'identityfile') {
		const [file = ''] = words();
		if (!values.identities?.includes(file)) (values.identities ??= []).push(file);
	} else if (keyword === 'proxyjump' || keyword === 'proxycommand') {
		// The first of the two disables the other.
		if (values.proxyJump !== undefined || values.proxyCommand !== undefined) return;
		values[keyword === 'proxyjump' ? 'proxyJump' : 'proxyCommand'] = rest;
	}
}
