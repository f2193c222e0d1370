/** The list of all stores. A new store needs a folder with a definition, and its line here. */
import {azure} from './azure/definition.js';
import {b2} from './b2/definition.js';
import type {StoreDefinition} from './definition.js';
import {gcs} from './gcs/definition.js';
import {local} from './local/definition.js';
import {s3} from './s3/definition.js';
import {sftp} from './sftp/definition.js';

export const storeDefinitions = [s3, b2, sftp, gcs, azure, local] as const;

type Definition = (typeof storeDefinitions)[number];
export type StoreName = Definition['name'];
export const storeNames = storeDefinitions.map(({name}) => name) as readonly StoreName[];

type Merge<Union> = (Union extends unknown ? (part: Union) => void : never) extends (whole: infer All) => void
	? All
	: never;
/** The options of all stores. */
export type StoreOptions = Merge<Definition['options']>;
export const storeOptions = Object.assign({}, ...storeDefinitions.map(({options}) => options)) as StoreOptions;

/** A definition for callers that do not know which store it is: it accepts the settings of the whole configuration. */
export type AnyStore = StoreDefinition<StoreName>;

export function storeNamed(name: StoreName): AnyStore {
	const found = storeDefinitions.find(definition => definition.name === name);
	if (found === undefined) throw new TypeError(`no store ${name}`);
	// Each definition reads only its own settings, which are all present.
	return found as unknown as AnyStore;
}

export const anyStores: readonly AnyStore[] = storeNames.map(storeNamed);

/** Environment variables that may contain credentials of any store. */
export const secretVariables: readonly RegExp[] = anyStores.flatMap(store => store.secretVariables ?? []);
