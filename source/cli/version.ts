declare const PG_BACK_VERSION: string | undefined;

/** Set by the build; `dev` when run from source. */
export const version: string = typeof PG_BACK_VERSION === 'undefined' ? 'dev' : PG_BACK_VERSION;
