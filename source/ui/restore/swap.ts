/** The last question before a restored database replaces the present one. Esc leaves the job waiting. */
import type {JobState} from '../../core/run-state.js';
import {isConfirmed, textToType} from '../../lib/confirmation.js';
import type {Console} from '../console.js';

/** A job that is ready for the swap reports it once: asked immediately unless another dialog is open. */
export function onAsked(c: Console, id: string): void {
	const job = c.handle.state().jobs.get(id);
	if (job?.question === undefined) return;
	const {dialog, editing} = c.view();
	if (dialog === undefined && editing === undefined) askSwap(c, job);
	else c.say(`${job.name} waits for you: 1, then enter on it`);
}

export function askSwap(c: Console, job: JobState, problem?: string): void {
	const {question} = job;
	if (question === undefined) return;
	const {name, present, restored} = question;
	c.ask({
		kind: 'form',
		title: `Replace ${name} now?`,
		text: [
			`present:   ${present}`,
			`restored:  ${restored}`,
			'',
			'The present database is kept under another name, and its sessions are ended.',
			`Type ${textToType([name])} to replace it. Esc: the job waits; x on it cancels it, and nothing is replaced.`,
		],
		fields: [{name: 'name', label: 'database', kind: 'text', value: ''}],
		cursor: 0,
		problem,
		submit({name: typed = ''}) {
			if (!isConfirmed(typed, [name])) return askSwap(c, job, `this is not ${textToType([name])}`);
			c.ask(undefined);
			c.handle.answer(job.id, typed);
		},
	});
}
