/**
 * Remotes that break for the sweep: a service with scripted responses, and any server behind a proxy that breaks
 * connections.
 */
import {behindProxy, type Place, placeKinds, s3Place} from '../../test/e2e/remote-places.js';
import type {ProxyFault} from '../../test/helpers/fault-proxy.js';
import {damages} from '../../test/helpers/s3-lies.js';
import type {S3Fault} from '../../test/helpers/s3-requests.js';
import {type S3ServerOptions, startS3Server} from '../../test/helpers/s3-server.js';

export type Broken = {
	readonly place: Place;
	readonly settings: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Sets faults for the next run, and returns their description; the dump has `size` bytes. */
	readonly breakSomething: (size: number) => string;
	/**
	 * Returns true when the current fault prevents removals: a damaged object may stay, named in an error, with the local
	 * file.
	 */
	readonly keepsDamage?: () => boolean;
	/** What it proves nothing of is read back, for which the short time of the first run may not do: its error names the object then. */
	readonly lies?: true;
	readonly mend: () => void;
	readonly stop: () => Promise<void>;
};

export function pickBy(random: () => number): <T>(...from: readonly T[]) => T {
	return <T>(...from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
}

/** Our own server, which checks its input, breaks at each request in each way; some variants lack features. */
export async function brokenS3(random: () => number): Promise<Broken> {
	const pick = pickBy(random);
	const lacks = pick(
		[],
		['checksums', 'conditions'],
		['checksumAnswers'],
		['checksumAnswers', 'md5Tags'],
	) as S3ServerOptions['lacks'];
	const server = await startS3Server({lacks});
	const place = s3Place(server);
	const ways: readonly ((size: number) => S3Fault)[] = [
		() => ({do: 'answer', status: 503, code: 'SlowDown'}),
		() => ({do: 'answer', status: 500, code: 'InternalError'}),
		() => ({do: 'answer', status: 429, code: 'TooManyRequests', headers: {'retry-after': '0'}}),
		() => ({do: 'answer', status: 400, code: 'ExpiredToken'}),
		() => ({do: 'answer', status: 403, code: 'RequestTimeTooSkewed'}),
		() => ({do: 'answer', status: 403, code: 'AccessDenied'}),
		size => ({do: 'reset', after: Math.floor(random() * size)}),
		() => ({do: 'silence'}),
		() => ({do: 'stall'}),
		() => ({do: 'cut', after: Math.floor(random() * 200)}),
		() => ({do: 'lose'}),
		() => ({do: 'wrongEtag'}),
		() => ({do: 'wrongChecksum'}),
		() => ({do: 'errorIn200'}),
		// Correct checksums of wrong bytes, writes that are confirmed and lost, lost responses to either.
		() => ({do: 'damage', how: pick(...damages), truthful: true, lose: pick(false, true)}),
		() => ({do: 'discard'}),
		() => ({do: 'reorder', lose: pick(false, true)}),
		() => ({do: 'raw', status: 200, headers: {'content-type': 'text/html'}, body: '<html><body>log in</body></html>'}),
	];
	return {
		place,
		settings: place.settings,
		env: place.env,
		breakSomething(size) {
			for (let more = pick(1, 1, 2, 3); more > 0; more--) {
				const action = pick(
					'PutObject',
					'UploadPart',
					'UploadPart',
					'CreateMultipartUpload',
					'CompleteMultipartUpload',
					'HeadObject',
					undefined,
				);
				const fault = pick(...ways)(size);
				server.faults.push({...fault, ...(action && {action}), skip: pick(0, 0, 1, 2), times: pick(1, 1, 2, Infinity)});
			}
			return JSON.stringify(server.faults);
		},
		mend: () => void (server.faults.length = 0),
		stop: () => place.stop(),
	};
}

/** Any server, through a proxy. */
export async function brokenByProxy(store: Place['store'], random: () => number): Promise<Broken> {
	const place = await placeKinds.find(kind => kind.store === store)!.start();
	const {proxy, settings, env} = await behindProxy(place);
	const pick = pickBy(random);
	return {
		place,
		settings,
		env,
		breakSomething(size) {
			for (let more = pick(1, 1, 2, 3); more > 0; more--) {
				const direction = pick('up', 'up', 'down');
				const after = pick(0, Math.floor(random() * 3000), direction === 'up' ? Math.floor(random() * size) : 500);
				proxy.faults.push({
					direction,
					after,
					do: pick<ProxyFault['do']>('cut', 'reset', 'stall'),
					skip: pick(0, 0, 1, 2),
					times: pick(1, 1, 2, Infinity),
				});
			}
			return JSON.stringify(proxy.faults);
		},
		mend() {
			proxy.faults.length = 0;
			proxy.resetAll();
		},
		async stop() {
			await proxy.close();
			await place.stop();
		},
	};
}
