package localnode

import "errors"

// tight is a driver that has room for some writes in each transaction.
type tight struct {
	driver
	room int
}

type tightBucket struct {
	bucket
	left *int
}

// HasRoomFor bounds the writes of each transaction from now on.
func (n *core) HasRoomFor(writes int) { n.driver = tight{n.driver, writes} }

func (d tight) Update(change func(root bucket) error) error {
	left := d.room
	return d.driver.Update(func(root bucket) error {
		err := change(tightBucket{root, &left})
		if err == nil && left < 0 {
			err = errors.New("no space is left")
		}
		return err
	})
}

func (b tightBucket) Put(key, value []byte) {
	*b.left--
	b.bucket.Put(key, value)
}

func (b tightBucket) Delete(key []byte) {
	*b.left--
	b.bucket.Delete(key)
}

func (b tightBucket) Bucket(name []byte) (bucket, error) { return b.within(b.bucket.Bucket(name)) }

func (b tightBucket) Create(name []byte) (bucket, error) { return b.within(b.bucket.Create(name)) }

func (b tightBucket) within(in bucket, err error) (bucket, error) {
	if in == nil {
		return nil, err
	}
	return tightBucket{in, b.left}, err
}
