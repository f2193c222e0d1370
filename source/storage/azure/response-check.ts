import type {RequestPolicy, RequestPolicyFactory} from '@azure/storage-blob';
import {largestBody, tooLarge} from '../../lib/http/limited-body.js';
import {foreignAnswer, isMarkup} from './errors.js';

/**
 * A policy in the SDK's pipeline that rejects web pages with a success status: the service adds its own headers to
 * every response. The SDK would treat such a page as an empty result, or fail without showing it. It keeps other bodies
 * than those of blobs in memory, whatever their size.
 */
export const foreignGuard: RequestPolicyFactory = {
	create: (next): RequestPolicy => ({
		async sendRequest(request) {
			let large = false;
			if (!request.streamResponseStatusCodes?.size) {
				request.onDownloadProgress = ({loadedBytes}) => {
					large = loadedBytes > largestBody;
					if (large) throw foreignAnswer(undefined, tooLarge);
				};
			}
			const answer = await next.sendRequest(request).catch((error: unknown) => {
				throw large ? foreignAnswer(undefined, tooLarge) : error;
			});
			const {status, headers} = answer;
			const own = ['x-ms-request-id', 'x-ms-version', 'x-ms-blob-type'].some(name => headers.contains(name));
			const type = headers.get('content-type');
			if (status < 300 && !own && isMarkup(type)) throw foreignAnswer(type);
			return answer;
		},
	}),
};
