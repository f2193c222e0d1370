/** Chooses the front end of a run, and what the terminal supports. Pure: the caller provides the environment. */
import {PgBackError} from '../core/errors.js';
import type {Environment} from '../lib/environment.js';

export type TerminalFacts = {
	readonly env: Environment;
	readonly stdinIsTty: boolean;
	readonly stdoutIsTty: boolean;
};

export type TerminalFlags = {
	/** `--tui` or `--no-tui`; undefined when neither was given. */
	readonly tui?: boolean;
	readonly quiet?: boolean;
	readonly json?: boolean;
	readonly screenReader?: boolean;
	readonly ascii?: boolean;
	/** `--no-color` is false. */
	readonly color?: boolean;
};

export type FrontEnd = {
	readonly kind: 'console' | 'plain';
	/** Why it is not the console, for `--verbose` and for the error of `--tui`. */
	readonly reason?: string;
	readonly ascii: boolean;
	readonly color: boolean;
};

/** Throws a USAGE error when `--tui` is impossible. */
export function chooseFrontEnd({env, stdinIsTty, stdoutIsTty}: TerminalFacts, flags: TerminalFlags): FrontEnd {
	const looks = {ascii: flags.ascii ?? !showsUnicode(env), color: (flags.color ?? true) && wantsColor(env)};
	const missing = missingTerminal(env, stdinIsTty, stdoutIsTty);
	if (flags.tui === true && missing !== undefined) {
		throw new PgBackError('USAGE', `--tui needs a terminal: ${missing}`, {
			hint: 'omit --tui, or run it with stdin and stdout connected to a terminal',
		});
	}
	const reason = plainReason(flags) ?? missing ?? (flags.tui === true ? undefined : unasked(env));
	return reason === undefined ? {kind: 'console', ...looks} : {kind: 'plain', reason, ...looks};
}

function plainReason(flags: TerminalFlags): string | undefined {
	if (flags.tui === false) return '--no-tui';
	if (flags.quiet) return '--quiet';
	if (flags.json) return '--log-format json';
	if (flags.screenReader) return '--screen-reader';
	return undefined;
}

function missingTerminal(env: Environment, stdinIsTty: boolean, stdoutIsTty: boolean): string | undefined {
	if (!stdinIsTty) return 'stdin is not a terminal';
	if (!stdoutIsTty) return 'stdout is not a terminal';
	const {TERM: term} = env;
	return term === undefined || term === '' || term === 'dumb'
		? `TERM is ${term === undefined || term === '' ? 'not set' : term}`
		: undefined;
}

/** Returns why there is no console unless `--tui` requests it. */
function unasked(env: Environment): string | undefined {
	if (isSet(env['INK_SCREEN_READER'])) return 'INK_SCREEN_READER is set';
	return isInCi(env) ? 'running in CI' : undefined;
}

const isSet = (value: string | undefined) => value !== undefined && value !== '' && value !== '0' && value !== 'false';

/** Same rule as is-in-ci, which Ink uses: CI, CONTINUOUS_INTEGRATION, or any CI_ variable. */
export function isInCi(env: Environment): boolean {
	if (env['CI'] === '0' || env['CI'] === 'false') return false;
	return 'CI' in env || 'CONTINUOUS_INTEGRATION' in env || Object.keys(env).some(name => name.startsWith('CI_'));
}

/** Checks the locale's character set, and for the Linux console, which has few glyphs. */
export function showsUnicode(env: Environment): boolean {
	const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(value => value !== undefined && value !== '') ?? '';
	return /utf-?8/i.test(locale) && env['TERM'] !== 'linux';
}

/** https://no-color.org: any value that is not empty. */
export function wantsColor(env: Environment): boolean {
	return (
		(env['NO_COLOR'] ?? '') === '' && env['FORCE_COLOR'] !== '0' && env['TERM'] !== 'vt100' && env['TERM'] !== 'vt220'
	);
}

/**
 * Returns variables that must be set before Ink is loaded: its colors only depend on FORCE_COLOR, and its own CI check
 * would disable drawing even with `--tui`.
 */
export function inkEnvironment(frontEnd: FrontEnd): Environment {
	return frontEnd.color ? {} : {FORCE_COLOR: '0'};
}
