/** A proxy that cannot be reached or rejects the request. `permanent` is true when a retry cannot help. */
export class ProxyError extends Error {
	override readonly name = 'ProxyError';
	readonly permanent: boolean;

	constructor(message: string, {permanent, cause}: {readonly permanent: boolean; readonly cause?: unknown}) {
		super(message, {cause});
		this.permanent = permanent;
	}
}
