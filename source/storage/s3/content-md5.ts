import {createHash} from 'node:crypto';

type Request = {headers: Record<string, string>; body?: unknown};
type Stack = {
	readonly middlewareStack: {
		readonly add: (
			middleware: (next: (args: Args) => Promise<never>) => (args: Args) => Promise<never>,
			options: {readonly step: 'build'; readonly name: string; readonly priority: 'low'},
		) => void;
	};
};
type Args = {readonly request: unknown};

/** Replaces the SDK's checksum of a request by Content-MD5. */
export function contentMd5(command: unknown): void {
	(command as Stack).middlewareStack.add(
		next => args => {
			const request = args.request as Request;
			const others = Object.entries(request.headers).filter(([name]) => !/^x-amz-(sdk-)?checksum-/i.test(name));
			const body = typeof request.body === 'string' || request.body instanceof Uint8Array ? request.body : '';
			request.headers = {
				...Object.fromEntries(others),
				'content-md5': createHash('md5').update(body).digest('base64'),
			};
			return next(args);
		},
		{step: 'build', name: 'contentMd5', priority: 'low'},
	);
}
