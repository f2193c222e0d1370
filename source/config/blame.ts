import {type Merged} from './merge.js';
import {type OptionName, options} from './options.js';
import {describeOrigin, type Problem} from './origin.js';

/** Creates a problem that names the option as the user wrote it, with its position. */
export type Blame = (name: OptionName, text: string) => Problem;

export function createBlame(merged: Merged): Blame {
	return (name, text) => {
		const origin = merged.origin(name);
		const {long, key} = options[name];
		if (origin.kind === 'file') return {on: 'file', text: `${describeOrigin(origin)}: ${key ?? name}: ${text}`};
		return {
			on: origin.kind === 'command line' ? 'command line' : 'file',
			text: `${long === undefined ? name : `--${long}`}: ${text}`,
		};
	};
}
