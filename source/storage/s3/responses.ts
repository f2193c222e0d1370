/** Checks for responses that are not from S3: a proxy's page, an empty body, truncated XML. */
import {Readable} from 'node:stream';
import type {S3Client} from '@aws-sdk/client-s3';
import type {DeserializeMiddleware} from '@smithy/types';
import {limitedBody, tooLarge} from '../../lib/http/limited-body.js';
import {correctHeaders, correctXml} from './response-dates.js';

/** The response is not from an S3 service, or is incomplete. */
export class ForeignAnswer extends Error {
	override readonly name = 'ForeignAnswer';
	readonly $metadata: {readonly httpStatusCode: number};
	readonly $response: HttpAnswer;

	constructor(reason: string, response: HttpAnswer) {
		super(reason);
		this.$metadata = {httpStatusCode: response.statusCode};
		this.$response = response;
	}
}

export type HttpAnswer = {
	readonly statusCode: number;
	readonly headers: Readonly<Record<string, string>>;
	body?: unknown;
};

/** The root element of each response with an XML body. */
const roots: Readonly<Record<string, string>> = {
	ListObjectsCommand: 'ListBucketResult',
	ListObjectsV2Command: 'ListBucketResult',
	ListPartsCommand: 'ListPartsResult',
	ListMultipartUploadsCommand: 'ListMultipartUploadsResult',
	CreateMultipartUploadCommand: 'InitiateMultipartUploadResult',
	CompleteMultipartUploadCommand: 'CompleteMultipartUploadResult',
	DeleteObjectsCommand: 'DeleteResult',
};

/** Checks every response before the SDK parses it: the SDK treats any text as an empty list, and any 200 as success. */
export function checkAnswers(client: S3Client, onProper: () => void): void {
	const check: DeserializeMiddleware<object, object> = (next, context) => async args => {
		const result = await next(args);
		const response = result.response as HttpAnswer;
		const {commandName = ''} = context as {readonly commandName?: string};
		if (commandName !== 'GetObjectCommand' || response.statusCode >= 300) limitAnswer(response);
		await checkAnswer(commandName, response);
		if (response.headers['x-amz-request-id'] !== undefined || response.headers['etag'] !== undefined) onProper();
		correctHeaders(response.headers);
		return result;
	};
	client.middlewareStack.addRelativeTo(check as Parameters<typeof client.middlewareStack.addRelativeTo>[0], {
		relation: 'after',
		toMiddleware: 'deserializerMiddleware',
		name: 'checkAnswers',
		override: true,
	});
}

/** Makes the body fail with ForeignAnswer when it is too large to keep in memory. */
export function limitAnswer(response: HttpAnswer): void {
	const {body} = response;
	if (!(body instanceof Readable)) return;
	response.body = limitedBody(body, () => new ForeignAnswer(`it sent ${tooLarge}`, response));
}

/** Throws ForeignAnswer. A body that was read is put back. */
async function checkAnswer(command: string, response: HttpAnswer): Promise<void> {
	const {statusCode, headers} = response;
	const isHead = command === 'HeadObjectCommand';
	if (statusCode >= 300) {
		if (!isHead && isPage(headers) && !isXml(await textOf(response))) throw foreign(response);
		return;
	}
	if (command === 'ListObjectsV2Command') return; // checked where its entries are extracted
	const root = roots[command];
	if (root === undefined) {
		const isObject = isHead || command === 'GetObjectCommand';
		const known = headers['etag'] !== undefined || (isObject && headers['last-modified'] !== undefined);
		if (known) return;
		if (isObject || isPage(headers)) throw foreign(response);
		// The response to a removal is empty.
		if (command === 'DeleteObjectCommand' && !isXml(await textOf(response), true)) throw foreign(response);
		return;
	}
	const text = await textOf(response);
	checkXml(command, text, response);
	// The entries of a listing are extracted with their dates.
	if (command !== 'ListObjectsCommand') response.body = Readable.from([Buffer.from(correctXml(text))]);
}

/** Checks the text of an XML response. Throws ForeignAnswer. */
export function checkXml(command: string, whole: string, response: HttpAnswer): void {
	const root = roots[command] ?? '';
	const text = whole.trim();
	if (text === '') throw new ForeignAnswer('the response is empty', response);
	if (/<Error[\s>]/.test(text.slice(0, 300))) return; // the SDK parses it
	if (!new RegExp(`<${root}[\\s/>]`).test(text.slice(0, 500))) throw foreign(response);
	const end = text.slice(-100);
	if (!end.endsWith(`</${root}>`) && !new RegExp(`<${root}[^<>]*/>$`).test(end))
		throw new ForeignAnswer('the response is truncated', response);
}

function foreign(response: HttpAnswer): ForeignAnswer {
	const type = response.headers['content-type']?.split(';')[0]?.trim();
	return new ForeignAnswer(`the server that answered is not an S3 service (${type ?? 'no content type'})`, response);
}

function isPage(headers: Readonly<Record<string, string>>): boolean {
	return /^\s*(text\/html|application\/xhtml)/i.test(headers['content-type'] ?? '');
}

function isXml(text: string, orEmpty = false): boolean {
	if (orEmpty && text.trim() === '') return true;
	return /^\s*(<\?xml|<Error[\s>])/.test(text) && !/<html[\s>]/i.test(text.slice(0, 1000));
}

async function textOf(response: HttpAnswer): Promise<string> {
	const {body} = response;
	if (!(body instanceof Readable)) return body instanceof Uint8Array ? Buffer.from(body).toString() : '';
	const chunks: Buffer[] = [];
	for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
	const bytes = Buffer.concat(chunks);
	response.body = Readable.from([bytes]);
	return bytes.toString();
}
