import {
  IconAdjustmentsHorizontal,
  IconBell,
  IconBook2,
  IconBuilding,
  IconBuildingBank,
  IconChartBar,
  IconCpu,
  IconCreditCard,
  IconFolders,
  IconGauge,
  IconHistory,
  IconInbox,
  IconKey,
  IconListSearch,
  IconMessage,
  IconRocket,
  IconReportMoney,
  IconServer2,
  IconSettings,
  IconTicket,
  IconUsers,
  IconUsersGroup,
  type Icon,
} from '@tabler/icons-react';
import type { Permission } from '../session/permissions';

export interface Destination {
  to: string;
  name: string;
  icon: Icon;
  /** Who lacks it is refused there, and is not led there; left out: nobody is. */
  needs?: Permission;
}

export interface Area {
  name: string;
  /** Who sees it; left out: everybody. */
  for?: 'operator';
  destinations: Destination[];
}

/** The console's views, as the sidebar lists them. */
export const areas: Area[] = [
  {
    name: 'Build',
    destinations: [
      { to: '/', name: 'Start', icon: IconRocket },
      { to: '/playground', name: 'Playground', icon: IconMessage },
      { to: '/keys', name: 'API keys', icon: IconKey },
      { to: '/usage', name: 'Usage', icon: IconChartBar, needs: 'api.usage.read' },
      { to: '/logs', name: 'Logs', icon: IconListSearch },
    ],
  },
  {
    name: 'Organization',
    destinations: [
      { to: '/projects', name: 'Projects', icon: IconFolders },
      { to: '/members', name: 'Members', icon: IconUsers, needs: 'api.management.read' },
      { to: '/billing', name: 'Billing', icon: IconCreditCard, needs: 'api.billing.read' },
      {
        to: '/limits',
        name: 'Limits',
        icon: IconGauge,
        needs: 'api.organization.projects.rate_limits.read',
      },
      { to: '/alerts', name: 'Alerts', icon: IconBell, needs: 'api.management.read' },
      { to: '/audit-log', name: 'Audit log', icon: IconHistory, needs: 'api.audit_logs.read' },
      { to: '/settings', name: 'Settings', icon: IconSettings, needs: 'api.management.read' },
    ],
  },
  {
    name: 'Operator',
    for: 'operator',
    destinations: [
      { to: '/operator/revenue', name: 'Revenue', icon: IconReportMoney },
      { to: '/operator/organizations', name: 'Organizations', icon: IconBuilding },
      { to: '/operator/users', name: 'Users', icon: IconUsersGroup },
      { to: '/operator/upstreams', name: 'Upstreams', icon: IconServer2 },
      { to: '/operator/models', name: 'Models and prices', icon: IconCpu },
      { to: '/operator/payments', name: 'Payments', icon: IconBuildingBank },
      { to: '/operator/codes', name: 'Redeem codes', icon: IconTicket },
      { to: '/operator/jobs', name: 'Messages', icon: IconInbox },
      { to: '/operator/ledger', name: 'Ledger', icon: IconBook2 },
      { to: '/operator/audit-log', name: 'Audit log', icon: IconHistory },
      { to: '/operator/settings', name: 'Installation', icon: IconAdjustmentsHorizontal },
    ],
  },
];
