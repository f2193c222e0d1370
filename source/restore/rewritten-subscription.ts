import type {AdaptedSubscription} from '../postgres/subscription-options.js';

/** A subscription that is created by a statement of ours instead of by pg_restore. */
export type RewrittenSubscription = Pick<AdaptedSubscription, 'name' | 'statement'> & {
	readonly owner: string;
	/** Dump IDs that pg_restore must not load: the subscription, its comment and labels. */
	readonly ids: readonly number[];
	/** Its comment and labels. */
	readonly more: readonly string[];
};
