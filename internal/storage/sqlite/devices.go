package sqlite

import "context"

const devicesOfGrant = `SELECT count(*), coalesce(max(device = ?), 0) FROM grant_devices WHERE grant_id = ?`

// Devices returns how many devices the grant has counted, and whether the given one is among them.
func (s *Store) Devices(ctx context.Context, grantID, device string) (count int, known bool, err error) {
	grant, err := uuidBytes(grantID)
	if err != nil {
		return 0, false, nil //nolint:nilerr // no grant has such an id, so no device is under it
	}
	err = s.reader.QueryRowContext(ctx, devicesOfGrant, device, grant).Scan(&count, &known)
	count, err = result(count, err, "count devices")
	return count, known, err
}
