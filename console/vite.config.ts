import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { themeCss } from './src/theme/plugin.ts';

/** The server that `npm run dev` and `npm run preview` put the console in front of. */
const server = process.env.FAREBOX_URL ?? 'http://127.0.0.1:8080';
const served = ['/v1', '/api', '/healthz', '/readyz', '/metrics', '/openapi.json', '/test-payments'];

/** As strict as the binary's own: scripts and styles from files only, nothing from elsewhere. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

export default defineConfig({
  plugins: [react(), themeCss()],
  server: { proxy: Object.fromEntries(served.map((path) => [path, server])) },
  preview: { headers: { 'content-security-policy': contentSecurityPolicy } },
  test: { include: ['src/**/*.test.ts'], setupFiles: ['src/testing.ts'] },
  build: {
    // Data URLs would need a hole in the content security policy.
    assetsInlineLimit: 0,
    target: 'es2022',
  },
});
