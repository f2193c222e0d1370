/** Pins a run, which protects it from every purge, or unpins it. */
import {messageOf} from '../../core/errors.js';
import type {RunOfFiles} from '../../core/runs-handle.js';
import {chosenFiles} from '../actions/fetch.js';
import {refresh} from '../actions/files-view.js';
import {waitIn} from '../actions/waiting.js';
import type {Console} from '../console.js';
import type {InfoDialog} from '../dialog.js';
import {clean} from '../glyphs.js';
import {span, type Tone} from '../text.js';

export function togglePin(c: Console): void {
	const chosen = chosenFiles(c);
	if (chosen === undefined) return;
	const {location, keys} = chosen;
	const info = (text: string, tone: Tone): InfoDialog => ({
		kind: 'info',
		title: 'Pin',
		lines: [[span(clean(text, c.glyphs), tone)]],
		top: 0,
	});
	waitIn(c, info(`looking at the run${c.glyphs.cut}`, 'quiet'), signal => c.handle.runsOf(location, keys, {signal}), {
		done(runs) {
			const [run] = runs;
			if (run === undefined || runs.length > 1)
				return c.ask(info(`these files are of ${runs.length} runs: choose one`, 'failed'));
			if (run.pinned === undefined) askPin(c, location, run);
			else askUnpin(c, location, run);
		},
		failed: error => c.ask(info(messageOf(error), 'failed')),
	});
}

function askPin(c: Console, location: string, run: RunOfFiles): void {
	c.ask({
		kind: 'form',
		title: `Pin the run of ${shownTime(run)}`,
		text: ['No purge removes it, here and where it was uploaded to, until it is unpinned.'],
		fields: [{name: 'reason', label: 'reason', kind: 'text', value: ''}],
		cursor: 0,
		submit({reason = ''}) {
			c.ask(undefined);
			finish(c, c.handle.pin(location, run.run, reason.trim()), 'pinned');
		},
	});
}

function askUnpin(c: Console, location: string, run: RunOfFiles): void {
	c.ask({
		kind: 'choice',
		title: `Unpin the run of ${shownTime(run)}?`,
		text: [`It is ${run.pinned ?? ''}. The next purge may remove it.`],
		cursor: 1,
		options: [
			{
				key: 'y',
				label: 'unpin it',
				danger: true,
				run: () => finish(c, c.handle.unpin(location, run.run), 'unpinned'),
			},
			{key: 'n', label: 'keep it pinned', run: () => undefined},
		],
	});
}

function finish(c: Console, work: Promise<void>, word: string): void {
	c.attempt(
		work.then(() => {
			refresh(c);
			c.say(`the run is ${word}`, 'done');
		}),
	);
}

function shownTime({time}: RunOfFiles): string {
	return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}
