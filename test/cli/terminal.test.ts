import assert from 'node:assert/strict';
import {describe, it} from 'node:test';
import {
	chooseFrontEnd,
	inkEnvironment,
	isInCi,
	showsUnicode,
	type TerminalFacts,
	type TerminalFlags,
} from '../../source/cli/terminal.js';

const good: TerminalFacts = {env: {TERM: 'xterm-256color', LANG: 'en_GB.UTF-8'}, stdinIsTty: true, stdoutIsTty: true};
const withEnv = (env: Readonly<Record<string, string | undefined>>): TerminalFacts => ({
	...good,
	env: {...good.env, ...env},
});

describe('chooseFrontEnd', () => {
	const cases: readonly (readonly [
		name: string,
		facts: TerminalFacts,
		flags: TerminalFlags,
		kind: 'console' | 'plain',
		reason?: RegExp,
	])[] = [
		['a terminal', good, {}, 'console'],
		['stdin from a pipe', {...good, stdinIsTty: false}, {}, 'plain', /stdin/],
		['stdout into a pipe', {...good, stdoutIsTty: false}, {}, 'plain', /stdout/],
		['TERM=dumb', withEnv({TERM: 'dumb'}), {}, 'plain', /TERM is dumb/],
		['no TERM', withEnv({TERM: undefined}), {}, 'plain', /TERM is not set/],
		['an unknown TERM', withEnv({TERM: 'no-such-terminal'}), {}, 'console'],
		['CI', withEnv({CI: 'true'}), {}, 'plain', /CI/],
		['CI=false', withEnv({CI: 'false'}), {}, 'console'],
		['CI, but --tui', withEnv({CI: '1'}), {tui: true}, 'console'],
		['--no-tui', good, {tui: false}, 'plain', /--no-tui/],
		['--quiet', good, {quiet: true}, 'plain', /--quiet/],
		['--log-format json', good, {json: true}, 'plain', /json/],
		['--screen-reader', good, {screenReader: true}, 'plain', /screen-reader/],
		['INK_SCREEN_READER', withEnv({INK_SCREEN_READER: 'true'}), {}, 'plain', /INK_SCREEN_READER/],
	];
	for (const [name, facts, flags, kind, reason] of cases) {
		it(`${name}: ${kind}`, () => {
			const chosen = chooseFrontEnd(facts, flags);
			assert.equal(chosen.kind, kind);
			if (reason) assert.match(chosen.reason ?? '', reason);
			else assert.equal(chosen.reason, undefined);
		});
	}

	it('refuses --tui where there is no terminal, with a hint', () => {
		assert.throws(
			() => chooseFrontEnd({...good, stdoutIsTty: false}, {tui: true}),
			(error: {readonly code: string; readonly exitCode: number; readonly hint?: string}) =>
				error.code === 'USAGE' && error.exitCode === 2 && error.hint !== undefined,
		);
	});

	it('draws in ASCII where the locale or the console knows no better', () => {
		for (const env of [{LANG: 'C'}, {LANG: undefined}, {LC_ALL: 'POSIX'}, {TERM: 'linux'}])
			assert.equal(chooseFrontEnd(withEnv(env), {}).ascii, true, JSON.stringify(env));
		assert.equal(showsUnicode({LC_ALL: 'C.UTF-8', LANG: 'C', TERM: 'xterm'}), true);
		assert.equal(chooseFrontEnd(good, {ascii: true}).ascii, true);
	});

	it('heeds NO_COLOR and --no-color, and tells Ink', () => {
		assert.equal(chooseFrontEnd(good, {}).color, true);
		assert.equal(chooseFrontEnd(withEnv({NO_COLOR: ''}), {}).color, true);
		assert.equal(chooseFrontEnd(withEnv({NO_COLOR: '1'}), {}).color, false);
		assert.deepEqual(inkEnvironment(chooseFrontEnd(good, {color: false})), {FORCE_COLOR: '0'});
		assert.deepEqual(inkEnvironment(chooseFrontEnd(good, {})), {});
	});

	it('knows CI as Ink does', () => {
		assert.equal(isInCi({CI_JOB_ID: '4'}), true);
		assert.equal(isInCi({CONTINUOUS_INTEGRATION: '1'}), true);
		assert.equal(isInCi({}), false);
	});
});
