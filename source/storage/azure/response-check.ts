import type {RequestPolicy, RequestPolicyFactory} from '@azure/storage-blob';
import {foreignAnswer, isMarkup} from './errors.js';

/**
 * A policy in the SDK's pipeline that rejects web pages with a success status: the service adds its own headers to
 * every response. The SDK would treat such a page as an empty result, or fail without showing it.
 */
export const foreignGuard: RequestPolicyFactory = {
	create: (next): RequestPolicy => ({
		async sendRequest(request) {
			const answer = await next.sendRequest(request);
			const {status, headers} = answer;
			const own = ['x-ms-request-id', 'x-ms-version', 'x-ms-blob-type'].some(name => headers.contains(name));
			const type = headers.get('content-type');
			if (status < 300 && !own && isMarkup(type)) throw foreignAnswer(type);
			return answer;
		},
	}),
};
