/** Moves between the steps of a restore. Nothing is changed before the last one starts it. */
import {messageOf, PgBackError} from '../../core/errors.js';
import {askSecret} from '../actions/secret.js';
import type {Console} from '../console.js';
import {requestOf, type RestoreDraft, serverOf, targetNames} from './draft.js';
import {checkField, fieldsOf, firstProblem} from './fields.js';
import {withKnownObjects} from './keep-drafts.js';
import {freshTree} from './tree.js';
import {currentWizard, update, waitFor} from './wizard.js';
import type {Wizard} from './wizard-state.js';

/** Inspects the server of the draft, unless that was done already. */
export function inspectTarget(c: Console, then: () => void = () => undefined): void {
	const wizard = currentWizard(c);
	if (wizard === undefined) return;
	const {draft} = wizard;
	const server = serverOf(draft.values);
	const asked = JSON.stringify(server);
	if (wizard.asked === asked && wizard.target !== undefined) return then();
	if (checkField('port', draft, undefined)?.ok === false) return;
	waitFor(c, 'asking the server', signal => c.handle.inspectTarget(server, {signal}), {
		done(target) {
			update(c, {target, asked, targetProblem: undefined});
			suggestName(c);
			then();
		},
		failed: error => update(c, {target: undefined, asked, targetProblem: messageOf(error)}),
	});
}

/** Suggests the original name for a database that no longer exists. */
function suggestName(c: Console): void {
	const wizard = currentWizard(c);
	if (wizard?.draft.mode !== 'new') return;
	const {draft, target} = wizard;
	const [own, ...others] = [...draft.databases];
	const dumped = others.length === 0 ? (own ?? '') : '{dbname}';
	if (draft.values.name !== `${dumped}_restored`) return;
	const named: RestoreDraft = {...draft, values: {...draft.values, name: dumped}};
	if (!targetNames(named).some(name => target?.databases.some(one => one.name === name))) update(c, {draft: named});
}

/** Handles Enter on the first step. */
export function leaveWhere(c: Console): void {
	inspectTarget(c, () => {
		const wizard = currentWizard(c);
		if (wizard === undefined) return;
		const {draft, target} = wizard;
		const bad = firstProblem(draft, target);
		if (bad === undefined) return showWhat(c);
		const field = fieldsOf(draft).findIndex(({name}) => name === bad);
		update(c, {field, problem: checkField(bad, draft, target)?.text});
	});
}

function showWhat(c: Console): void {
	update(c, {step: 'what', problem: undefined});
	const wizard = currentWizard(c);
	const [dump, ...others] = wizard?.draft.source.dumps ?? [];
	if (wizard === undefined || dump === undefined || others.length > 0 || wizard.contents !== undefined) return;
	const {source, secrets} = wizard.draft;
	waitFor(
		c,
		'reading the table of contents',
		signal => c.handle.contentsOf(source.location, dump.key, {signal, secrets}),
		{
			done(contents) {
				const {draft} = currentWizard(c) ?? {};
				update(c, {contents, tree: freshTree(contents), ...(draft && {draft: withKnownObjects(draft, contents)})});
			},
			failed: error => askAgain(c, error, () => showWhat(c)),
		},
	);
}

/** Handles Enter on the second step. */
export function leaveWhat(c: Console): void {
	const {draft} = currentWizard(c) ?? {};
	if (draft === undefined) return;
	if (draft.databases.size === 0) return update(c, {problem: 'no database is chosen'});
	if (draft.mode === 'objects' && draft.ids.size + draft.schemas.size === 0)
		return update(c, {problem: 'nothing is chosen: space chooses a table, a kind or a schema'});
	showPlan(c);
}

export function showPlan(c: Console): void {
	update(c, {step: 'plan', preview: undefined, top: 0, problem: undefined});
	const {draft} = currentWizard(c) ?? {};
	if (draft === undefined) return;
	waitFor(c, 'planning', signal => c.handle.planRestore(requestOf(draft), {signal}), {
		done: preview => update(c, {preview}),
		failed: error => askAgain(c, error, () => showPlan(c)),
	});
}

/** Asks again for a wrong key; every other error is shown on the current step. */
function askAgain(c: Console, error: unknown, again: () => void): void {
	const wizard = currentWizard(c);
	if (wizard === undefined) return;
	if (!(error instanceof PgBackError && error.code === 'WRONG_KEY'))
		return update(c, {problem: error instanceof PgBackError ? withHint(error) : messageOf(error)});
	askSecret(c, {
		title: 'This dump is encrypted',
		problem: messageOf(error),
		then(secrets) {
			reopen(c, {...wizard, draft: {...wizard.draft, secrets}});
			again();
		},
	});
}

function withHint({message, hint}: PgBackError): string {
	return hint === undefined ? message : `${message} (${hint})`;
}

function reopen(c: Console, wizard: Wizard): void {
	c.ask({kind: 'restore', wizard});
	update(c, {draft: wizard.draft});
}

/** Handles Esc: returns to the previous step; from the first one it closes the dialog. The draft is kept. */
export function stepBack(c: Console): void {
	const {step} = currentWizard(c) ?? {};
	if (step === undefined || step === 'where') return c.ask(undefined);
	const {dialog} = c.view();
	if (dialog?.kind !== 'restore') return;
	const before = step === 'plan' ? 'what' : 'where';
	// A pending result is no longer needed.
	c.ask({kind: 'restore', wizard: {...dialog.wizard, step: before, problem: undefined, doing: undefined}});
}
