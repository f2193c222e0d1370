/**
 * Formats any value as JSON on one line that is safe to print: characters that a terminal would interpret or not show
 * are escaped as in JSON.
 */
export function jsonLine(value: unknown): string {
	return JSON.stringify(value).replaceAll(
		/[\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF0-\uFFFB]|\uDB40[\uDC00-\uDFFF]/g,
		characters =>
			[...Array(characters.length).keys()]
				.map(index => `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`)
				.join(''),
	);
}
