import {type AnyValue} from './options.js';

/** The origin of a value. */
export type Origin =
	| {readonly kind: 'default'}
	| {readonly kind: 'file'; readonly path: string; readonly line: number}
	| {readonly kind: 'command line'}
	| {readonly kind: 'environment'; readonly variable: string};

/** A value with its origin. */
export type Sourced = {readonly value: AnyValue; readonly origin: Origin};

export function describeOrigin(origin: Origin): string {
	switch (origin.kind) {
		case 'file':
			return `${origin.path}:${origin.line}`;
		case 'environment':
			return `environment ${origin.variable}`;
		case 'default':
		case 'command line':
			return origin.kind;
	}
}

/** A user's mistake on the command line or in the file. */
export type Problem = {readonly on: 'file' | 'command line'; readonly text: string};
