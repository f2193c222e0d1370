/** Google's credentials, found by the SDK as in every Google tool. */
import {Storage as GoogleStorage} from '@google-cloud/storage';
import {messageOf} from '../../core/errors.js';
import type {HttpClients} from '../../lib/http/http.js';
import {networkFault, storageError} from '../errors.js';
import {routeGoogleRequests} from './google-requests.js';

type AuthOptions = {
	/** '' if none is configured. */
	readonly keyfile: string;
	/** URL of the API that the tokens are for. */
	readonly base: string;
	/** The location of the bucket, for people. */
	readonly location: string;
};

/** Returns tokens for `keyfile`, or without one for the application default credentials of this host. */
export function createAuth(http: HttpClients, {keyfile, base, location}: AuthOptions) {
	routeGoogleRequests(http);
	const {authClient} = new GoogleStorage({...(keyfile === '' ? {} : {keyFilename: keyfile}), projectId: '-'});

	return {
		async headers(): Promise<Record<string, string>> {
			try {
				return Object.fromEntries(await authClient.getRequestHeaders(base));
			} catch (cause) {
				const network = networkFault(cause);
				if (network)
					throw storageError(network.fault, {operation: 'connect to', location}, network.reason, {
						cause,
						hint: network.hint,
					});
				throw storageError('forbidden', {operation: 'connect to', location}, messageOf(cause), {
					cause,
					hint: 'set gcs_keyfile, GOOGLE_APPLICATION_CREDENTIALS, or log in with: gcloud auth application-default login',
				});
			}
		},
		/** Drops the token, so that the next request fetches a new one. */
		async refresh(): Promise<void> {
			(await authClient.getClient()).credentials = {};
		},
	};
}
