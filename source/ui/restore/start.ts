/** The confirmation of a restore. */
import {isConfirmed, textToType} from '../../lib/confirmation.js';
import type {Console} from '../console.js';
import {requestOf, type RestoreDraft} from './draft.js';
import {fieldOfHint, fieldsOf} from './fields.js';
import {showOutcome} from './outcome.js';
import {showPlan} from './steps.js';
import {currentWizard, update} from './wizard.js';

/** Handles Enter on the last step: a `stop` finding leads to the field that resolves it, else the restore starts. */
export function leavePlan(c: Console): void {
	const wizard = currentWizard(c);
	if (wizard === undefined) return;
	const {draft, preview} = wizard;
	if (preview === undefined) return showPlan(c);
	const stops = preview.findings.filter(({severity}) => severity === 'stop');
	if (stops.length > 0) {
		const name = stops.map(({hint}) => fieldOfHint(hint ?? '')).find(one => one !== undefined) ?? 'host';
		const field = Math.max(
			0,
			fieldsOf(draft).findIndex(one => one.name === name),
		);
		return update(c, {step: 'where', field, problem: stops[0]?.text});
	}
	const {replaced} = preview;
	if (replaced.length > 0 && !isConfirmed(draft.typed, replaced)) {
		const name = textToType(replaced);
		return update(c, {problem: draft.typed === '' ? `type ${name} first` : `this is not ${name}`});
	}
	start(c, draft, preview.replaced);
}

function start(c: Console, draft: RestoreDraft, confirmed: readonly string[]): void {
	c.set({screen: 'jobs', dialog: undefined});
	c.say('the restore begins', 'running');
	c.attempt(
		c.handle
			.restore(requestOf(draft), confirmed)
			.then(({ended}) => ended)
			.then(result => showOutcome(c, draft, result)),
	);
}
