/** Checks the SDK's result of a response: the SDK treats anything as an empty listing, and any page as a success. */
import type {ContainerListBlobFlatSegmentResponse} from '@azure/storage-blob';
import {entryDate, entrySize, type RawEntry} from '../listed-entry.js';
import {foreignAnswer} from './errors.js';

/** The part of the SDK's results that contains the response itself. */
type Answered = {
	readonly _response: {
		readonly status: number;
		readonly headers: {readonly get: (name: string) => string | undefined};
		readonly bodyAsText?: string | null;
	};
};

function foreign({_response: {headers}}: Answered, detail?: string): Error {
	return foreignAnswer(headers.get('content-type'), detail);
}

/** Checks responses with this XML root: the SDK ignores bodies of other content types and treats them as empty. */
export function checkRoot<T extends Answered>(answer: T, root: string): T {
	const text = (answer._response.bodyAsText ?? '').trim();
	if (text === '') throw foreign(answer, 'an empty body');
	const whole = new RegExp(`<${root}(\\s[^>]*)?(/>|>[^]*</${root}>)$`).test(text);
	if (!whole || !/xml/i.test(answer._response.headers.get('content-type') ?? 'xml')) throw foreign(answer);
	return answer;
}

export type ListedPage = {readonly blobs: readonly RawEntry[]; readonly token: string | undefined};

export function readPage(answer: ContainerListBlobFlatSegmentResponse): ListedPage {
	checkRoot(answer, 'EnumerationResults');
	// None of this is guaranteed, in spite of the types.
	const segment = (answer as Partial<ContainerListBlobFlatSegmentResponse>).segment as
		| {
				readonly blobItems?: readonly {
					readonly name?: unknown;
					readonly properties?: {contentLength?: unknown; lastModified?: unknown};
				}[];
		  }
		| undefined;
	if (!segment) throw foreign(answer, 'no listing');
	const blobs = (segment.blobItems ?? []).map(({name, properties}) => {
		const {contentLength: size, lastModified} = properties ?? {};
		if (typeof name !== 'string' || name === '') throw foreign(answer, 'no listing');
		const date = lastModified === undefined ? undefined : lastModified instanceof Date ? lastModified.getTime() : NaN;
		return {key: name, size: typeof size === 'number' ? entrySize(size) : undefined, ...entryDate(date)};
	});
	return {blobs, token: answer.continuationToken || undefined};
}

/** Runs a call in which the SDK itself fails on responses that it cannot parse. */
export async function parsing<T>(run: () => Promise<T>): Promise<T> {
	try {
		return await run();
	} catch (error) {
		if (!(error instanceof Error) || error.name === 'RestError' || error.name === 'AbortError') throw error;
		const own = error instanceof TypeError || error instanceof RangeError || error.message.startsWith('Invalid state');
		throw own ? foreignAnswer(undefined, 'a response that cannot be parsed') : error;
	}
}
