/**
 * The features that a service supports: tried once without each, and remembered for the bucket for the life of the
 * process.
 */
import {StorageError} from '../errors.js';

export type Dialect = {
	/** The checksum that is sent with an upload. */
	checksums: 'crc32' | 'md5' | 'none';
	/** `If-None-Match: *`. */
	conditions: boolean;
	/** The total size at the end of a multipart upload. */
	objectSize: boolean;
	/** `x-amz-checksum-mode` of HEAD and GET. */
	headChecksums: boolean;
	getChecksums: boolean;
	/** `url` encoding of keys in listings. */
	encodedKeys: boolean;
};

export type Feature = keyof Dialect;

export type ChecksumSetting = 'auto' | 'crc32' | 'md5' | 'none';

export type DialectMemory = {
	/** Replaced as a whole, never modified. */
	current: Dialect;
	/** Features that have worked: an unspecific rejection has another cause. */
	readonly accepted: Set<Feature>;
	/** How often omitting a feature did not help. */
	readonly fruitless: Map<Feature, number>;
	/** An ETag was the MD5 of what was sent, so all of them should be. */
	tagsMatched: boolean;
	/** Intact objects with ETags that were not their MD5. */
	tagsDiffered: number;
	/** The service returns the CRC32 of what it received; undefined while unknown. */
	confirmsCrc?: boolean;
	/** Features fixed by the configuration. */
	readonly fixed: ReadonlySet<Feature>;
};

const memories = new Map<string, DialectMemory>();

/** Returns the dialect of a bucket, as far as this process knows it. `place` names endpoint and bucket. */
export function dialectOf(
	place: string,
	setting: ChecksumSetting,
	sdk: {readonly request: boolean; readonly response: boolean},
): DialectMemory {
	const id = JSON.stringify([place, setting, sdk]);
	const known = memories.get(id);
	if (known) return known;
	const request = setting === 'auto' ? (sdk.request ? 'crc32' : 'md5') : setting;
	const response = setting === 'crc32' || (setting === 'auto' && sdk.response);
	const current = {
		...{checksums: request, objectSize: request === 'crc32', headChecksums: response, getChecksums: response},
		...{conditions: true, encodedKeys: true},
	} as const;
	const fixed = new Set<Feature>(setting === 'auto' ? [] : ['checksums', 'headChecksums', 'getChecksums']);
	const memory: DialectMemory = {
		current,
		accepted: new Set(),
		fruitless: new Map(),
		tagsMatched: false,
		tagsDiffered: 0,
		fixed,
	};
	memories.set(id, memory);
	return memory;
}

/** Objects that are read back before the ETags of a service are considered not to be MD5s. */
const mostDiffering = 3;

/** Returns false once ETags have turned out not to be MD5s. */
export function hasMd5Tags({tagsMatched, tagsDiffered}: DialectMemory): boolean {
	return tagsMatched || tagsDiffered < mostDiffering;
}

type Speaker = {
	readonly dialect: DialectMemory;
	readonly location: string;
	readonly log: (level: 'info', text: string) => void;
};

/** Unsuccessful attempts without a feature, after which an unspecific rejection is considered final. */
const mostFruitless = 3;

/**
 * Runs `send` with the current dialect. When the service rejects it and one of `features` may be the reason, tries once
 * without each, and remembers what helped. Throws the first rejection when nothing helps.
 */
export async function withDialect<T>(
	speaker: Speaker,
	features: readonly Feature[],
	send: (dialect: Dialect) => Promise<T>,
): Promise<T> {
	const {dialect: memory} = speaker;
	const used = memory.current;
	let refusal: unknown;
	try {
		const result = await send(used);
		for (const feature of features) if (isOn(used, feature)) memory.accepted.add(feature);
		return result;
	} catch (error) {
		refusal = error;
	}
	const suspects = suspectsOf(memory, used, features, refusal);
	const waiting = [...variants(used, suspects)];
	const tried = new Set([keyOf(used)]);
	for (let variant = waiting.shift(); variant; variant = waiting.shift()) {
		if (tried.has(keyOf(variant))) continue;
		tried.add(keyOf(variant));
		const changed = features.filter(one => variant[one] !== used[one]);
		try {
			const result = await send(variant);
			remember(speaker, variant, changed);
			return result;
		} catch (error) {
			const reason = refusalOf(error);
			// A service without several features names one at a time.
			if (Array.isArray(reason)) waiting.unshift(...variants(variant, suspectsOf(memory, variant, features, error)));
			if (reason !== undefined) continue;
			// Another response than the rejection: the request was understood.
			if (error instanceof StorageError && understood.has(error.fault)) remember(speaker, variant, changed);
			throw error;
		}
	}
	for (const one of suspects) memory.fruitless.set(one, (memory.fruitless.get(one) ?? 0) + 1);
	throw refusal;
}

const keyOf = (dialect: Dialect): string => JSON.stringify(dialect);

const understood: ReadonlySet<string> = new Set(['missing', 'exists', 'corrupt', 'full']);

function isOn(dialect: Dialect, feature: Feature): boolean {
	return feature === 'checksums' ? dialect.checksums !== 'none' : dialect[feature];
}

const names: Readonly<Record<Feature, string>> = {
	checksums: 'CRC32 checksums',
	conditions: 'If-None-Match',
	objectSize: 'the size at the end of a multipart upload',
	headChecksums: 'checksums in HEAD',
	getChecksums: 'checksums in GET',
	encodedKeys: 'encoded keys in listings',
};

function remember({dialect: memory, location, log}: Speaker, variant: Dialect, changed: readonly Feature[]): void {
	for (const feature of changed) {
		if (memory.current[feature] === variant[feature]) continue; // another upload has already found this
		const instead =
			feature === 'checksums'
				? variant.checksums === 'md5'
					? ': using MD5 instead'
					: ' nor MD5: uploads are checked by their ETags'
				: feature === 'conditions'
					? ': checking for an existing object before each upload instead'
					: '';
		log('info', `${location} does not support ${names[feature]}${instead}`);
		memory.current = {...memory.current, [feature]: variant[feature]};
	}
}

function suspectsOf(
	memory: DialectMemory,
	used: Dialect,
	features: readonly Feature[],
	error: unknown,
): readonly Feature[] {
	const refused = refusalOf(error);
	if (refused === undefined) return [];
	const possible = features.filter(one => isOn(used, one) && !memory.fixed.has(one));
	const blamed = possible.filter(one => refused === 'unknown' || refused.includes(one));
	if (refused !== 'unknown' && blamed.length > 0) return blamed;
	return possible.filter(one => !memory.accepted.has(one) && (memory.fruitless.get(one) ?? 0) < mostFruitless);
}

/** First without one feature, then without two, and so on. */
function variants(used: Dialect, suspects: readonly Feature[]): readonly Dialect[] {
	let found: {readonly dialect: Dialect; readonly changes: number}[] = [{dialect: used, changes: 0}];
	for (const feature of suspects) {
		const more = found.flatMap(({dialect, changes}) =>
			lesser(used, feature).map((value, index) => ({
				dialect: {...dialect, [feature]: value},
				changes: changes + 1 + index,
			})),
		);
		found = [...found, ...more];
	}
	return found
		.slice(1)
		.toSorted((a, b) => a.changes - b.changes)
		.map(one => one.dialect);
}

function lesser(used: Dialect, feature: Feature): readonly Dialect[Feature][] {
	if (feature !== 'checksums') return [false];
	return used.checksums === 'crc32' ? ['md5', 'none'] : ['none'];
}

/** Error codes of services that do not know a header or a parameter, without further detail. */
const vague = new Set([
	...['', 'BadRequest', 'InvalidRequest', 'InvalidArgument', 'InvalidHeader', 'UnsupportedHeader'],
	...['UnsupportedArgument', 'NotImplemented', 'XNotImplemented', 'SignatureDoesNotMatch', 'MethodNotAllowed'],
]);

/** Texts of rejections with the features that they mean; the first match wins. */
const featureWords: readonly {readonly pattern: RegExp; readonly features: readonly Feature[]}[] = [
	{pattern: /mp-object-size|mpuobjectsize/i, features: ['objectSize']},
	{
		pattern: /checksum|crc32|x-amz-sdk/i,
		features: ['checksums', 'headChecksums', 'getChecksums', 'objectSize'],
	},
	{pattern: /if-none-match|conditional|precondition/i, features: ['conditions']},
	{pattern: /encoding-type/i, features: ['encodedKeys']},
];

/** Returns the features that a rejection names; `unknown` when it gives no reason; undefined for any other error. */
function refusalOf(error: unknown): readonly Feature[] | 'unknown' | undefined {
	if (!(error instanceof StorageError) || error.exhausted) return undefined;
	const {name, $metadata} = (error.cause ?? {}) as {name?: string; $metadata?: {httpStatusCode?: number}};
	const status = $metadata?.httpStatusCode ?? 0;
	if (!['invalid', 'unsupported', 'forbidden'].includes(error.fault)) return undefined;
	if (error.fault !== 'forbidden') {
		const found = featureWords.find(({pattern}) => pattern.test(error.message));
		if (found) return found.features;
	}
	const code = /^(Error|Unknown\w*|\d+|Forbidden)?$/.test(name ?? '') ? '' : (name ?? '');
	if (error.fault === 'forbidden' && status === 403 && code !== 'SignatureDoesNotMatch' && code !== '')
		return undefined;
	return vague.has(code) && [400, 403, 405, 411, 501].includes(status) ? 'unknown' : undefined;
}
