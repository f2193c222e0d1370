/** Shows how a restore ended, and the possible next actions. */
import type {EventError} from '../../core/events.js';
import type {RestoreResult} from '../../core/restore.js';
import type {JobState} from '../../core/run-state.js';
import {formatCsvRecord} from '../../lib/comma-list.js';
import {joinWords} from '../../lib/shell-words.js';
import {askSecret} from '../actions/secret.js';
import type {Console} from '../console.js';
import type {ChoiceDialog, Option} from '../dialog.js';
import {draftKey, type RestoreDraft, serverOf, targetNames} from './draft.js';
import {inspectTarget, showPlan} from './steps.js';
import {openWizard} from './wizard.js';

/** Another open question stays: the log reports the result. */
export function showOutcome(c: Console, draft: RestoreDraft, result: RestoreResult): void {
	const isDone = result.outcome === 'done';
	const names = targetNames(draft).join(', ');
	if (isDone) forget(c, draft);
	if (c.view().dialog !== undefined)
		return c.say(
			isDone ? `${names} is restored` : `${names} was not restored: see the log`,
			isDone ? 'done' : 'failed',
		);
	if (isDone) return c.ask(doneDialog(c, draft));
	const failed = failedDialog(c, draft, result);
	c.ask(failed);
	// A server that does not respond has no databases to offer.
	keptOptions(c, draft, targetNames(draft)).then(
		more => {
			const {dialog} = c.view();
			if (more.length === 0 || dialog?.kind !== 'choice' || dialog.options !== failed.options) return;
			c.ask({...dialog, options: [...failed.options.slice(0, -1), ...more, ...failed.options.slice(-1)]});
		},
		() => undefined,
	);
}

/** What was restored is no unfinished draft. */
function forget(c: Console, {source, mode}: RestoreDraft): void {
	const drafts = new Map(c.view().drafts);
	drafts.delete(draftKey(source, mode));
	c.set({drafts});
}

function jobsOf(c: Console, {source}: RestoreDraft): readonly JobState[] {
	return source.dumps.flatMap(({key}) => c.handle.state().jobs.get(`restore:${key}`) ?? []);
}

function doneDialog(c: Console, draft: RestoreDraft): ChoiceDialog {
	const names = targetNames(draft);
	return {
		kind: 'choice',
		title: `${names.join(', ')}: restored`,
		text: jobsOf(c, draft).flatMap(({name, result}) => (result === undefined ? [] : [`${name}: ${result.detail}`])),
		cursor: 0,
		options: [...psqlOptions(c, draft, names), ...undoOptions(c, draft, names), logOption(c), backOption],
	};
}

function psqlOptions(c: Console, {values}: RestoreDraft, names: readonly string[]): readonly Option[] {
	const [name] = names;
	if (name === undefined) return [];
	const line = psqlLine(values, name);
	return [{key: 'p', label: `copy: ${line}`, run: () => c.copy(line)}];
}

function psqlLine({host, port, user}: RestoreDraft['values'], name: string): string {
	const words = [
		...(host === '' ? [] : ['-h', host]),
		...(port === '' ? [] : ['-p', port]),
		...(user === '' ? [] : ['-U', user]),
	];
	return joinWords(['psql', ...words, '-d', asDatabase(name)]);
}

/** A name that psql would treat as a connection string is written as one. */
function asDatabase(name: string): string {
	if (!name.includes('=') && !/^postgres(?:ql)?:\/\//.test(name)) return name;
	return `dbname='${name.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}

/** Returns the choice that undoes a replacement of one database. */
function undoOptions(c: Console, {mode, values}: RestoreDraft, names: readonly string[]): readonly Option[] {
	const [name, ...others] = names;
	if (mode !== 'replace' || name === undefined || others.length > 0) return [];
	const undo = async () => {
		const {ended} = await c.handle.swapBack(name, serverOf(values));
		const {outcome, error} = await ended;
		if (outcome === 'done')
			c.say(`${name} is the previous database again; the restored one is kept under another name`, 'done');
		else c.say(error?.message ?? `${name} was not changed`, 'failed');
	};
	return [
		{
			key: 'u',
			label: `undo: give ${name} back what was there before`,
			run: () =>
				c.ask({
					kind: 'choice',
					title: `Undo the replacement of ${name}?`,
					text: ['Sessions in it are ended. The restored database is kept under another name.'],
					cursor: 1,
					options: [
						{key: 'y', label: 'undo it', danger: true, run: () => c.attempt(undo())},
						{key: 'n', label: 'back', run: () => undefined},
					],
				}),
		},
	];
}

/** Returns choices for databases that this restore, or an earlier one, kept for inspection. */
async function keptOptions(c: Console, {values}: RestoreDraft, names: readonly string[]): Promise<readonly Option[]> {
	const server = serverOf(values);
	const {kept} = await c.handle.inspectTarget(server, {signal: AbortSignal.timeout(inspectTimeout)});
	const ours = kept.filter(one => names.some(name => one.startsWith(`${name}.`)));
	return ours.slice(0, 3).flatMap((name, index) => {
		const line = psqlLine(values, name);
		const suffix = index === 0 ? '' : String(index + 1);
		return [
			...(index === 0
				? [{key: 'p', label: `copy: ${line} (the restored one, kept to look at)`, run: () => c.copy(line)}]
				: []),
			{
				key: index === 0 ? 'd' : suffix,
				label: `drop ${name}, which was kept`,
				danger: true,
				run: () => c.attempt(c.handle.dropKept(name, server).then(() => c.say(`${name} is dropped`, 'done'))),
			},
		];
	});
}

/** Milliseconds. */
const inspectTimeout = 10_000;

function logOption(c: Console): Option {
	return {key: 'l', label: 'show the log', run: () => c.set({screen: 'logs'})};
}

const backOption: Option = {key: 'b', label: 'back', run: () => undefined};

function failedDialog(c: Console, draft: RestoreDraft, result: RestoreResult): ChoiceDialog {
	const failed = jobsOf(c, draft).find(({status, error}) => status === 'failed' && error !== undefined);
	const error = failed?.error ?? result.error;
	const isCancelled = result.outcome === 'cancelled';
	return {
		kind: 'choice',
		title: `${targetNames(draft).join(', ')}: ${isCancelled ? 'cancelled' : 'NOT restored'}`,
		text: error === undefined ? [] : errorTexts(error),
		cursor: 0,
		options: [...recoveryOptions(c, draft, error), logOption(c), backOption],
	};
}

const shownOutput = 3;

function errorTexts({message, hint, output = []}: EventError): readonly string[] {
	return [message, ...output.slice(0, shownOutput), ...(hint === undefined ? [] : [hint])];
}

/** Returns the actions that may fix a failure, the most likely first. */
function recoveryOptions(c: Console, draft: RestoreDraft, error: EventError | undefined): readonly Option[] {
	const plan = (next: RestoreDraft) => {
		openWizard(c, next);
		inspectTarget(c, () => showPlan(c));
	};
	const again: Option = {key: 'a', label: 'again: see the plan', run: () => plan(draft)};
	const change: Option = {
		key: 'e',
		label: 'change where to and how',
		run() {
			openWizard(c, draft);
			inspectTarget(c);
		},
	};
	const other: Option = {
		key: 'o',
		label: 'choose another run or location',
		run: () => c.set({screen: 'files'}),
	};
	switch (error?.code) {
		case 'WRONG_KEY':
			return [
				{
					key: 'k',
					label: 'give another key',
					run: () => askSecret(c, {title: 'This dump is encrypted', then: secrets => plan({...draft, secrets})}),
				},
				other,
			];
		case 'CORRUPT':
		case 'STORAGE':
			return [other, again];
		case 'EXISTS':
		case 'TARGET_LACKS':
		case 'USAGE':
			return [change, again];
		default: {
			const out = formatCsvRecord(error?.skip ?? []);
			const skip = [...(draft.values.skip === '' ? [] : [draft.values.skip]), out].join(',');
			return [
				again,
				...(out === ''
					? []
					: [
							{
								key: 'w',
								label: `again without ${out}: the result is NOT complete`,
								danger: true,
								run: () => plan({...draft, typed: '', values: {...draft.values, skip}}),
							},
						]),
				change,
			];
		}
	}
}
