import type { ComponentType } from 'react';

export interface View {
  path: string;
  load: () => Promise<{ default: ComponentType }>;
}

/** Pages for those who are not signed in, each loaded when it is first shown. */
export const entry: View[] = [
  { path: '/welcome', load: () => import('../welcome/Welcome') },
  { path: '/sign-in', load: () => import('../pages/entry/SignIn') },
  { path: '/sign-up', load: () => import('../pages/entry/SignUp') },
  { path: '/forgot-password', load: () => import('../pages/entry/ForgotPassword') },
  { path: '/reset-password', load: () => import('../pages/entry/ResetPassword') },
  { path: '/accept-invite', load: () => import('../pages/entry/AcceptInvite') },
  { path: '/outbox', load: () => import('../pages/outbox/Outbox') },
];

/** The views of the console. */
export const inside: View[] = [
  { path: '/', load: () => import('../pages/home/Home') },
  { path: '/playground', load: () => import('../pages/playground/Playground') },
  { path: '/keys', load: () => import('../pages/keys/Keys') },
  { path: '/usage', load: () => import('../pages/usage/Usage') },
  { path: '/logs', load: () => import('../pages/logs/Logs') },
  { path: '/projects', load: () => import('../pages/projects/Projects') },
  { path: '/projects/$id', load: () => import('../pages/projects/ProjectPage') },
  { path: '/members', load: () => import('../pages/members/Members') },
  { path: '/billing', load: () => import('../pages/billing/Billing') },
  { path: '/limits', load: () => import('../pages/limits/Limits') },
  { path: '/alerts', load: () => import('../pages/alerts/Alerts') },
  { path: '/alerts/endpoints/$id', load: () => import('../pages/alerts/EndpointPage') },
  { path: '/audit-log', load: () => import('../pages/audit/AuditLog') },
  { path: '/settings', load: () => import('../pages/settings/Settings') },
  { path: '/account', load: () => import('../pages/account/Account') },
  { path: '/reference', load: () => import('../pages/reference/ReferencePage') },
  { path: '/operator/revenue', load: () => import('../pages/operator/Revenue') },
  { path: '/operator/organizations', load: () => import('../pages/operator/Organizations') },
  { path: '/operator/organizations/$id', load: () => import('../pages/operator/Organization') },
  { path: '/operator/users', load: () => import('../pages/operator/Users') },
  { path: '/operator/upstreams', load: () => import('../pages/operator/Upstreams') },
  { path: '/operator/models', load: () => import('../pages/operator/Models') },
  { path: '/operator/model/$', load: () => import('../pages/operator/Model') },
  { path: '/operator/payments', load: () => import('../pages/operator/Payments') },
  { path: '/operator/codes', load: () => import('../pages/operator/Codes') },
  { path: '/operator/jobs', load: () => import('../pages/operator/Jobs') },
  { path: '/operator/ledger', load: () => import('../pages/operator/Ledger') },
  { path: '/operator/audit-log', load: () => import('../pages/operator/OperatorAuditLog') },
  { path: '/operator/settings', load: () => import('../pages/operator/Installation') },
];
