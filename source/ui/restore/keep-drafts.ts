/** Drafts of restores that outlive the console: kept when the terminal is lost, and continued by the next console. */
import type {DumpContents, KeptDraft} from '../../core/restore-handle.js';
import type {Console} from '../console.js';
import {choices, draftKey, type RestoreDraft, type RestoreValues} from './draft.js';
import {nameSource} from './panel.js';

/** Keeps what the user had begun. Rejects with FILE_SYSTEM. */
export async function keepDrafts(c: Console): Promise<void> {
	const {drafts, kept} = c.view();
	const at = c.now();
	await c.handle.keepDrafts([
		...[...drafts].map(([key, draft]): KeptDraft => ({
			key,
			label: nameSource(draft.source),
			at,
			values: draft.values,
			databases: [...draft.databases],
			schemas: [...draft.schemas],
			objects: [...draft.objects].map(([id, {schema, name}]) => ({id, schema, name})),
			dependents: draft.dependents,
		})),
		...[...kept.values()].filter(({key}) => !drafts.has(key)),
	]);
}

/** Reads the drafts of an earlier console, and says what there is. */
export async function loadKeptDrafts(c: Console): Promise<void> {
	const kept = await c.handle.keptDrafts();
	const [newest] = kept;
	if (newest === undefined) return;
	c.set({kept: new Map(kept.map(one => [one.key, one]))});
	c.say(`the restore of ${newest.label} was kept when the terminal was lost: R on it continues`, 'running');
}

/**
 * Returns the draft with what was kept of it. A file is not believed: what the dumps or the form do not have is left
 * out.
 */
export function continued(draft: RestoreDraft, kept: KeptDraft): RestoreDraft {
	const databases = kept.databases.filter(name => draft.databases.has(name));
	return {
		...draft,
		values: knownValues(draft.values, kept.values),
		databases: databases.length === 0 ? draft.databases : new Set(databases),
		schemas: new Set(kept.schemas),
		ids: new Set(kept.objects.map(({id}) => id)),
		objects: new Map(kept.objects.map(({id, schema, name}) => [id, {schema, name}])),
		dependents: kept.dependents,
	};
}

function knownValues(fresh: RestoreValues, kept: KeptDraft['values']): RestoreValues {
	const allowed: Readonly<Record<string, readonly string[]>> = choices;
	const isKnown = (name: string, value: string) => name in fresh && (allowed[name]?.includes(value) ?? true);
	return {...fresh, ...Object.fromEntries(Object.entries(kept).filter(([name, value]) => isKnown(name, value)))};
}

/** Leaves out chosen objects that the dump does not have under these names. */
export function withKnownObjects(draft: RestoreDraft, {objects}: DumpContents): RestoreDraft {
	const byId = new Map(objects.map(object => [object.id, object]));
	const isThere = (id: number) => {
		const [chosen, found] = [draft.objects.get(id), byId.get(id)];
		return found?.canChoose === true && found.name === chosen?.name && found.schema === chosen.schema;
	};
	const ids = new Set([...draft.ids].filter(isThere));
	const inDump = new Set(objects.flatMap(({kind, schema, name}) => (kind === 'SCHEMA' ? [name] : (schema ?? []))));
	return {
		...draft,
		ids,
		objects: new Map([...draft.objects].filter(([id]) => ids.has(id))),
		schemas: new Set([...draft.schemas].filter(name => inDump.has(name))),
	};
}

/** Takes the kept draft with this key: from now on the console's own draft counts. */
export function takeKept(c: Console, draft: RestoreDraft): RestoreDraft {
	const key = draftKey(draft.source, draft.mode);
	const {kept, drafts} = c.view();
	const found = kept.get(key);
	if (found === undefined) return draft;
	const taken = continued(draft, found);
	c.set({kept: new Map([...kept].filter(([other]) => other !== key)), drafts: new Map(drafts).set(key, taken)});
	c.attempt(c.handle.forgetDraft(key));
	return taken;
}
