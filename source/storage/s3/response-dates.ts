/** Corrects the dates of responses for the SDK, which rejects a whole response for one date that it cannot parse. */
import {entryDate} from '../listed-entry.js';

/** Dates in headers, and how the SDK wants them. */
const dateHeaders: Readonly<Record<string, (date: Date) => string>> = {
	'last-modified': date => date.toUTCString(),
	'x-amz-object-lock-retain-until-date': date => date.toISOString(),
};

/** Rewrites dates in other notations, and removes those that are not dates. */
export function correctHeaders(headers: Readonly<Record<string, string>>): void {
	for (const [name, write] of Object.entries(dateHeaders)) {
		const text = headers[name];
		if (text === undefined) continue;
		const {modified} = entryDate(text.trim());
		if (modified === undefined) Reflect.deleteProperty(headers, name);
		else (headers as Record<string, string>)[name] = write(new Date(modified));
	}
}

/** Does the same in XML. */
export function correctXml(text: string): string {
	return text.replaceAll(/<(LastModified|Initiated)>([^<]*)<\/\1>/g, (_whole, name: string, date: string) => {
		const {modified} = entryDate(date.trim());
		return modified === undefined ? '' : `<${name}>${new Date(modified).toISOString()}</${name}>`;
	});
}
