/** A configured proxy or certificate file that cannot be used. `hint` says what to do. */
export class HttpConfigError extends Error {
	override readonly name = 'HttpConfigError';
	readonly hint: string;

	constructor(message: string, hint: string, cause?: unknown) {
		super(message, cause === undefined ? undefined : {cause});
		this.hint = hint;
	}
}
