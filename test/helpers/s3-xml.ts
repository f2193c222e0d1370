/** The XML of the test server. */
import type {Listed, Synthetic} from './s3-synthetic.js';

export type XmlAnswer = {readonly headers: Record<string, string>; readonly body: string};

export function xml(root: string, content: string): XmlAnswer {
	return {
		headers: {'content-type': 'application/xml'},
		body: `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`,
	};
}

/** Returns `<name><field>value</field>…</name>`; without a name only the fields. Undefined fields are omitted. */
export function element(name: string, fields: Readonly<Record<string, string | number | boolean | undefined>>): string {
	const inner = Object.entries(fields)
		.filter(([, value]) => value !== undefined)
		.map(([field, value]) => `<${field}>${escape(String(value))}</${field}>`)
		.join('');
	return name === '' ? inner : `<${name}>${inner}</${name}>`;
}

function escape(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#13;');
}

function unescape(text: string): string {
	return text
		.replaceAll(/&#(x?)([0-9a-f]+);/gi, (_, hex: string, digits: string) =>
			String.fromCodePoint(parseInt(digits, hex ? 16 : 10)),
		)
		.replaceAll('&lt;', '<')
		.replaceAll('&gt;', '>')
		.replaceAll('&quot;', '"')
		.replaceAll('&apos;', "'")
		.replaceAll('&amp;', '&');
}

/** Encodes a key like `encoding-type=url`: as in a form. */
export function encodeKey(key: string): string {
	return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}

export function parseDeleted(body: string): string[] {
	return [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(match => unescape(match[1]!));
}

export function parseCompleted(body: string): {number: number; etag: string; crc32?: string}[] {
	return [...body.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => {
		const field = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(part)?.[1];
		return {
			number: Number(field('PartNumber')),
			etag: unescape(field('ETag') ?? '').replaceAll('"', ''),
			crc32: field('ChecksumCRC32'),
		};
	});
}

/** Returns one page. The synthetic objects come after the real ones. */
export function list(
	query: URLSearchParams,
	objects: readonly Listed[],
	{pageSize, synthetic}: {readonly pageSize: number; readonly synthetic: Synthetic},
): XmlAnswer {
	const prefix = query.get('prefix') ?? '';
	const token = query.get('continuation-token');
	const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64').toString();
	const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
	const found = objects
		.filter(one => one.key.startsWith(prefix) && compare(one.key, after) > 0)
		.toSorted((a, b) => compare(a.key, b.key));
	for (const one of found.length > pageSize ? [] : synthetic.after(after)) {
		if (one.key.startsWith(prefix)) found.push(one);
		if (found.length > pageSize) break;
	}
	const page = found.slice(0, pageSize);
	const truncated = found.length > page.length;
	const url = query.get('encoding-type') === 'url';
	const contents = page.map(one =>
		element('Contents', {
			Key: url ? encodeKey(one.key) : one.key,
			LastModified: new Date(one.modified).toISOString(),
			ETag: `"${one.etag}"`,
			Size: one.size,
			StorageClass: 'STANDARD',
		}),
	);
	return xml(
		'ListBucketResult',
		element('', {
			Name: 'bucket',
			Prefix: prefix,
			KeyCount: page.length,
			MaxKeys: pageSize,
			IsTruncated: truncated,
			EncodingType: url ? 'url' : undefined,
			NextContinuationToken: truncated ? Buffer.from(page.at(-1)!.key).toString('base64') : undefined,
		}) + contents.join(''),
	);
}
