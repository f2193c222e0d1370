/** The fields of a form: their values, and what completes them. */
import type {Console} from '../console.js';
import {type Field, type FormDialog, valuesOf} from '../dialog.js';

export function setField(
	c: Console,
	dialog: FormDialog,
	field: Field,
	{value, note}: {readonly value: string; readonly note: string | undefined},
): void {
	const fields = dialog.fields.map(one => (one.name === field.name ? {...one, value} : one));
	const problem = value === field.value ? dialog.problem : undefined;
	c.ask({...dialog, problem, note, fields});
	if (value !== field.value) dialog.onEdit?.(valuesOf(fields));
}

export function completeField(c: Console, dialog: FormDialog, field: Field): void {
	c.attempt(
		c.handle.completePath(field.value).then(({text, candidates}) => {
			const now = c.view().dialog;
			// The user may have typed in the meantime.
			if (now?.kind !== 'form' || now.title !== dialog.title) return;
			const same = now.fields.find(one => one.name === field.name);
			if (same?.value !== field.value) return;
			const note =
				candidates.length > 0 ? candidates.join('  ') : text === field.value ? 'nothing to complete' : undefined;
			setField(c, now, same, {value: text, note});
		}),
	);
}
