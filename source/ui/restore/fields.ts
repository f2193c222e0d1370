/** The fields of the first step, and the errors in their values. Pure. */
import type {TargetView} from '../../core/restore-handle.js';
import {formatBytes, plural} from '../../lib/format.js';
import {choices, type FieldName, type RestoreDraft, type RestoreMode, targetNames} from './draft.js';

export type FieldInfo = {
	readonly name: FieldName;
	readonly label: string;
	/** The meaning of an empty text. */
	readonly empty?: string;
	readonly choices?: readonly string[];
};

const nameLabels: Readonly<Record<RestoreMode, string>> = {
	new: 'new database',
	objects: 'into database',
	replace: 'in place of',
};

export function fieldsOf({mode}: RestoreDraft): readonly FieldInfo[] {
	const whole: readonly FieldInfo[] = [
		{name: 'jobs', label: 'jobs', empty: 'by processors, at most 4'},
		{name: 'compare', label: 'compare', choices: choices.compare},
		{name: 'locale', label: 'locale', empty: 'as dumped'},
	];
	return [
		{name: 'host', label: 'host', empty: 'local socket'},
		{name: 'port', label: 'port', empty: '5432'},
		{name: 'user', label: 'user', empty: 'as the system user'},
		{name: 'name', label: nameLabels[mode]},
		{name: 'owner', label: 'owner', empty: 'as dumped'},
		{name: 'roles', label: 'missing roles', choices: choices.roles},
		{name: 'privileges', label: 'privileges', choices: choices.privileges},
		{name: 'data', label: 'rows', choices: choices.data},
		...(mode === 'objects' ? [] : whole),
		{name: 'skip', label: 'leave out', empty: 'nothing'},
	];
}

export type Check = {readonly ok: boolean; readonly text: string};

/** Checks a field's value; returns undefined for no message. Without a target only its form is checked. */
export function checkField(name: FieldName, draft: RestoreDraft, target: TargetView | undefined): Check | undefined {
	const {values} = draft;
	switch (name) {
		case 'port':
			return inRange(values.port, 65_535) ? undefined : {ok: false, text: 'a port is a number up to 65535'};
		case 'jobs':
			return inRange(values.jobs, 64) ? undefined : {ok: false, text: 'at most 64'};
		case 'name':
			return checkNames(draft, target);
		case 'owner': {
			const owner = values.owner.trim();
			if (owner === '' || target === undefined || target.roles.includes(owner)) return undefined;
			return {ok: false, text: 'this role does not exist there'};
		}
		default:
			return undefined;
	}
}

/** Returns the first field with an error. */
export function firstProblem(draft: RestoreDraft, target: TargetView | undefined): FieldName | undefined {
	return fieldsOf(draft).find(({name}) => checkField(name, draft, target)?.ok === false)?.name;
}

function inRange(text: string, most: number): boolean {
	return text === '' || (/^\d{1,5}$/.test(text) && Number(text) <= most);
}

function checkNames(draft: RestoreDraft, target: TargetView | undefined): Check | undefined {
	const names = targetNames(draft);
	const bad = names.find(name => name === '' || new TextEncoder().encode(name).length > 63);
	if (bad !== undefined) return {ok: false, text: bad === '' ? 'a name is needed' : 'a name has at most 63 bytes'};
	if (new Set(names).size !== names.length) return {ok: false, text: 'one name for several databases: use {dbname}'};
	if (target === undefined) return undefined;
	const found = names.flatMap(name => target.databases.filter(one => one.name === name));
	if (draft.mode === 'new') {
		const [first] = found;
		return first === undefined ? {ok: true, text: 'free'} : {ok: false, text: `${first.name} exists`};
	}
	const missing = names.find(name => !found.some(one => one.name === name));
	if (missing !== undefined) return {ok: false, text: `${missing} does not exist there`};
	const [first, ...others] = found;
	if (first === undefined || others.length > 0) return {ok: true, text: plural(found.length, 'database')};
	const size = first.size === undefined ? '' : `${formatBytes(first.size)}, `;
	return {ok: true, text: `${size}${plural(first.sessions, 'session')}`};
}

/** Returns the field that corresponds to a command line option. */
export function fieldOfHint(hint: string): FieldName | undefined {
	const names: Readonly<Record<string, FieldName>> = {
		into: 'name',
		replace: 'name',
		owner: 'owner',
		locale: 'locale',
		skip: 'skip',
		roles: 'roles',
		'no-privileges': 'privileges',
	};
	for (const [, option = ''] of hint.matchAll(/--([a-z-]+)/g)) {
		const name = names[option];
		if (name !== undefined) return name;
	}
	return /\s-[hp]\b/.test(hint) ? 'host' : undefined;
}
