/** The version of the package. A constant, so that it holds in a bundle too; a test keeps it in step with package.json. */
export const VERSION = '0.1.0';
