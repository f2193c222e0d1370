/** Compares two runs: the marked ones, or one with the run before it. */
import {messageOf, PgBackError} from '../../core/errors.js';
import type {Secrets} from '../../core/secrets.js';
import {chosenFiles} from '../actions/fetch.js';
import {askSecret} from '../actions/secret.js';
import {waitIn} from '../actions/waiting.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {clean} from '../glyphs.js';
import {wrapWords} from '../layout/wrap.js';
import {type Line, span, type Tone} from '../text.js';

const tones: Readonly<Record<string, Tone>> = {'+': 'done', '-': 'failed', '~': 'warn'};

export function compareRuns(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	const {location, keys} = chosen;
	waitIn(
		c,
		info([[span(`looking at the runs${c.glyphs.cut}`, 'quiet')]]),
		signal => c.handle.runsOf(location, keys, {signal}),
		{
			done(runs) {
				const [first, second, ...others] = runs;
				if (first === undefined || others.length > 0)
					return c.ask(info([[span(`these files are of ${runs.length} runs: mark dumps of two`, 'failed')]]));
				if (second === undefined) compare(c, location, {after: first.run});
				else compare(c, location, {before: first.run, after: second.run});
			},
			failed: error => c.ask(info([[span(clean(messageOf(error), c.glyphs), 'failed')]])),
		},
	);
}

function info(lines: readonly Line[]): InfoDialog {
	return {kind: 'info', title: 'Two runs compared', lines, top: 0};
}

type Runs = {readonly before?: string; readonly after: string};

function compare(c: Console, location: string, runs: Runs, secrets?: Secrets): void {
	waitIn(
		c,
		info([[span(`comparing${c.glyphs.cut}`, 'quiet')]]),
		signal => c.handle.compareRuns(location, runs, {signal, ...(secrets && {secrets})}),
		{
			done: lines => c.ask({...info(lines.flatMap(line => lineOf(line, c))), copy: lines.join('\n')}),
			failed(error) {
				if (!(error instanceof PgBackError && error.code === 'WRONG_KEY'))
					return c.ask(info([[span(clean(messageOf(error), c.glyphs), 'failed')]]));
				askSecret(c, {
					title: 'These dumps are encrypted',
					problem: messageOf(error),
					then: given => compare(c, location, runs, given),
				});
			},
		},
	);
}

function lineOf(text: string, c: Console): readonly Line[] {
	const sign = text.trimStart().slice(0, 1);
	const indent = text.length - text.trimStart().length;
	const width = Math.max(20, c.size().columns - 8 - indent);
	return wrapWords(clean(text.trimStart(), c.glyphs), width).map(piece => [
		span(' '.repeat(indent)),
		span(piece, tones[sign]),
	]);
}
