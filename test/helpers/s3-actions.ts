/** Implements the S3 server's requests for objects. */
import type {Answer, Call} from './s3-requests.js';
import {Refusal} from './s3-signature.js';
import {
	described,
	hold,
	lockHeaders,
	receipt,
	requireAbsent,
	type S3ServerOptions,
	type S3State,
	tagOf,
} from './s3-state.js';
import {createSynthetic} from './s3-synthetic.js';
import {element, list, parseDeleted, xml} from './s3-xml.js';

export type Actions = Record<string, (call: Call, body: Buffer) => Answer>;

/** Returns whether the credential of a request may do that. */
export function allowed({may}: S3ServerOptions, {request, action}: Call, key: string): boolean {
	return may?.(/Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '', action, key) ?? true;
}

export function objectActions(state: S3State): Actions {
	const {options, lacks, objects} = state;
	const synthetic = createSynthetic(options.synthetic ?? 0, state.now());
	return {
		PutObject(call, body) {
			requireAbsent(state, call);
			const held = hold(state, body, call);
			if (call.fault?.do !== 'discard') objects.set(call.key, held);
			return {headers: receipt(held, call.fault, tagOf(state, held, call.action))};
		},
		HeadObject({key}) {
			const held = objects.get(key);
			if (!held) throw new Refusal(404, 'NoSuchKey');
			return {
				headers: {
					...described(state, held),
					...lockHeaders(state, key),
					'content-length': lacks.includes('contentLength') ? '' : String(held.size),
				},
			};
		},
		GetObject({key, request}) {
			const held = objects.get(key);
			if (!held) throw new Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
			const range = lacks.includes('ranges') ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
			if (!range) return {headers: described(state, held), body: held.bytes};
			const from = Number(range[1]);
			if (from >= held.size) throw new Refusal(416, 'InvalidRange');
			const {['x-amz-checksum-crc32']: _, ...headers} = described(state, held);
			return {
				status: 206,
				headers: {...headers, 'content-range': `bytes ${from}-${held.size - 1}/${held.size}`},
				body: held.bytes.subarray(from),
			};
		},
		DeleteObject({key, fault}) {
			if (fault?.do === 'discard') return {status: 204};
			if (options.locked?.[key] !== undefined)
				throw new Refusal(403, 'AccessDenied', 'Access Denied because object protected by object lock.');
			objects.delete(key);
			return {status: 204};
		},
		DeleteObjects(call, body) {
			if (lacks.includes('batches')) throw new Refusal(501, 'NotImplemented');
			const {request} = call;
			if (!request.headers['content-md5'] && !request.headers['x-amz-checksum-crc32'])
				throw new Refusal(400, 'MissingContentMD5');
			const keys = parseDeleted(body.toString());
			if (keys.length > 1000) throw new Refusal(400, 'MalformedXML');
			const refused = keys.filter(key => !allowed(options, call, key) || options.locked?.[key] !== undefined);
			for (const key of call.fault?.do === 'discard' ? [] : keys) {
				if (refused.includes(key)) continue;
				objects.delete(key);
				synthetic.remove(key);
			}
			return xml(
				'DeleteResult',
				keys
					.map(key =>
						refused.includes(key)
							? element('Error', {Key: key, Code: 'AccessDenied', Message: 'Access Denied'})
							: element('Deleted', {Key: key}),
					)
					.join(''),
			);
		},
		ListObjectsV2: call =>
			list(
				call.query,
				[...objects].map(([key, held]) => ({key, ...held})),
				{pageSize: options.pageSize ?? 1000, synthetic},
			),
	};
}
