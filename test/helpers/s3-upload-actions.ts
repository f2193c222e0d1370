/** Implements the S3 server's requests for multipart uploads. */
import {createHash, randomUUID} from 'node:crypto';
import type {Actions} from './s3-actions.js';
import {damaged, md5Hex} from './s3-lies.js';
import type {S3Fault} from './s3-requests.js';
import {crcOf, Refusal} from './s3-signature.js';
import {
	headersOf,
	type Held,
	hold,
	quoted,
	receipt,
	requireAbsent,
	type S3State,
	tagOf,
	type Upload,
	uploadOf,
} from './s3-state.js';
import {element, encodeKey, parseCompleted, xml} from './s3-xml.js';

export function uploadActions(state: S3State): Actions {
	const {options, lacks, objects, uploads, now} = state;
	const {maxParts = 10_000, minPart = 0} = options;
	return {
		CreateMultipartUpload({key, request}) {
			const checksums = request.headers['x-amz-checksum-algorithm'] !== undefined;
			if (checksums && lacks.includes('checksums'))
				throw new Refusal(400, 'InvalidArgument', "Unsupported header 'x-amz-checksum-algorithm'");
			const id = randomUUID();
			uploads.set(id, {key, id, initiated: now(), headers: headersOf(lacks, request), parts: new Map(), checksums});
			return xml('InitiateMultipartUploadResult', element('', {Bucket: 'bucket', Key: key, UploadId: id}));
		},
		UploadPart(call, body) {
			const upload = uploadOf(state, call);
			const number = Number(call.query.get('partNumber'));
			if (!(number >= 1 && number <= maxParts))
				throw new Refusal(400, 'InvalidArgument', `Part number must be between 1 and ${maxParts}`);
			const held = hold(state, body, call);
			upload.parts.set(number, held);
			if (call.fault?.do === 'discard') upload.parts.delete(number);
			return {headers: receipt(held, call.fault, tagOf(state, held, call.action))};
		},
		ListParts(call) {
			const upload = uploadOf(state, call);
			const after = Number(call.query.get('part-number-marker') ?? 0);
			const parts = [...upload.parts].filter(([number]) => number > after).toSorted((a, b) => a[0] - b[0]);
			const page = parts.slice(0, options.pageSize ?? 1000);
			const content = page.map(([number, held]) =>
				element('Part', {PartNumber: number, ETag: `"${held.etag}"`, Size: held.size, ChecksumCRC32: held.crc32}),
			);
			const truncated = page.length < parts.length;
			return xml(
				'ListPartsResult',
				element('', {IsTruncated: truncated, NextPartNumberMarker: truncated ? page.at(-1)?.[0] : undefined}) +
					content.join(''),
			);
		},
		CompleteMultipartUpload(call, body) {
			const upload = uploadOf(state, call);
			requireAbsent(state, call);
			const parts = partsOf(upload, parseCompleted(body.toString()), minPart);
			const size = parts.reduce((sum, one) => sum + one.size, 0);
			const told = call.request.headers['x-amz-mp-object-size'];
			if (told !== undefined && Number(told) !== size)
				throw new Refusal(400, 'InvalidRequest', 'The size is not that of the parts');
			const {fault} = call;
			const held = assemble(state, upload, parts, fault);
			if (fault?.do !== 'discard') objects.set(upload.key, held);
			uploads.delete(upload.id);
			return xml(
				'CompleteMultipartUploadResult',
				element('', {
					Bucket: 'bucket',
					Key: encodeKey(upload.key),
					ETag: quoted(fault?.do === 'wrongEtag' ? 'f'.repeat(32) : tagOf(state, held, call.action)),
				}),
			);
		},
		AbortMultipartUpload(call) {
			uploads.delete(uploadOf(state, call).id);
			return {status: 204};
		},
		ListMultipartUploads({query}) {
			if (lacks.includes('uploadList')) throw new Refusal(501, 'NotImplemented');
			const prefix = query.get('prefix') ?? '';
			const found = [...uploads.values()].filter(one => one.key.startsWith(prefix));
			return xml(
				'ListMultipartUploadsResult',
				element('', {IsTruncated: false}) +
					found
						.map(one =>
							element('Upload', {Key: one.key, UploadId: one.id, Initiated: new Date(one.initiated).toISOString()}),
						)
						.join(''),
			);
		},
	};
}

/** Returns the parts that the client names, which must be those that it sent. */
function partsOf(upload: Upload, wanted: ReturnType<typeof parseCompleted>, minPart: number): readonly Held[] {
	const parts = wanted.map(({number, etag, crc32}, index) => {
		const held = upload.parts.get(number);
		if (!held || held.etag !== etag || (crc32 !== undefined && crc32 !== held.crc32))
			throw new Refusal(400, 'InvalidPart', `part ${number}`);
		if (index < wanted.length - 1 && held.size < minPart) throw new Refusal(400, 'EntityTooSmall');
		return held;
	});
	if (parts.length === 0) throw new Refusal(400, 'MalformedXML');
	return parts;
}

function assemble({lacks, now}: S3State, upload: Upload, parts: readonly Held[], fault: S3Fault | undefined): Held {
	const md5 = createHash('md5')
		.update(Buffer.from(parts.map(one => one.etag).join(''), 'hex'))
		.digest('hex');
	const ordered = fault?.do === 'reorder' ? parts.toReversed() : parts;
	const bytes = Buffer.concat(ordered.map(one => one.bytes));
	const kept = fault?.do === 'damage' ? damaged(bytes, fault.how) : bytes;
	const truth = fault?.do === 'reorder' || (fault?.do === 'damage' && fault.truthful === true);
	return {
		bytes: kept,
		size: fault?.do === 'damage' ? kept.length : parts.reduce((sum, one) => sum + one.size, 0),
		etag: lacks.includes('md5Tags')
			? randomUUID().replaceAll('-', '')
			: `${truth ? md5Hex(kept) : md5}-${parts.length}`,
		crc32:
			upload.checksums && !lacks.includes('checksumAnswers') && !truth
				? `${crcOf(...parts.map(one => Buffer.from(one.crc32 ?? '', 'base64')))}-${parts.length}`
				: undefined,
		modified: now(),
		headers: upload.headers,
		version: randomUUID(),
	};
}
